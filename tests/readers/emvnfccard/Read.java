import com.github.devnied.emvnfccard.exception.CommunicationException;
import com.github.devnied.emvnfccard.model.Application;
import com.github.devnied.emvnfccard.model.EmvCard;
import com.github.devnied.emvnfccard.parser.EmvTemplate;
import com.github.devnied.emvnfccard.parser.IProvider;
import java.text.SimpleDateFormat;
import javax.smartcardio.Card;
import javax.smartcardio.CardException;
import javax.smartcardio.CardTerminal;
import javax.smartcardio.CommandAPDU;
import javax.smartcardio.TerminalFactory;

/** Reads the card in a PC/SC reader by the library emvnfccard; prints a field on each line. */
public class Read {
    private record Provider(Card card) implements IProvider {
        @Override
        public byte[] transceive(byte[] command) throws CommunicationException {
            try {
                return card.getBasicChannel().transmit(new CommandAPDU(command)).getBytes();
            } catch (CardException e) {
                throw new CommunicationException(e.getMessage());
            }
        }

        @Override
        public byte[] getAt() {
            return card.getATR().getBytes();
        }
    }

    public static void main(String[] given) throws Exception {
        CardTerminal reader = TerminalFactory.getDefault().terminals().getTerminal(given[0]);
        reader.waitForCardPresent(5000);
        Card card = reader.connect("*");
        EmvTemplate.Config config =
            EmvTemplate.Config()
                .setContactLess(true)
                .setReadAllAids(true)
                .setReadTransactions(false)
                .setReadCplc(false)
                .setReadAt(false);
        EmvCard found =
            EmvTemplate.Builder().setProvider(new Provider(card)).setConfig(config).build().readEmvCard();
        System.out.println("number " + found.getCardNumber());
        System.out.println("expires " + new SimpleDateFormat("yyyy-MM").format(found.getExpireDate()));
        System.out.println("holder " + found.getHolderFirstname() + "/" + found.getHolderLastname());
        System.out.println("service " + found.getTrack2().getService().getServiceCode1());
        for (Application each : found.getApplications()) {
            System.out.println("application " + java.util.HexFormat.of().formatHex(each.getAid()));
            System.out.println("label " + each.getApplicationLabel());
            System.out.println("tries " + each.getLeftPinTry());
            System.out.println("counter " + each.getTransactionCounter());
            System.out.println("step " + each.getReadingStep());
        }
        card.disconnect(false);
    }
}
