// Opens a card by SCP02 with GlobalPlatform's default keys, lists it, and has an application made
// anew: by keycard-go, over standard input and output, a command and an answer (hex) on each line.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/status-im/keycard-go/globalplatform"
	kio "github.com/status-im/keycard-go/io"
)

type pipe struct{ answers *bufio.Reader }

func (p pipe) Transmit(command []byte) ([]byte, error) {
	fmt.Println(hex.EncodeToString(command))
	line, err := p.answers.ReadString('\n')
	if err != nil {
		return nil, err
	}
	return hex.DecodeString(strings.TrimSpace(line))
}

func must(what string, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, what, err)
		os.Exit(1)
	}
}

func aid(text string) []byte {
	raw, err := hex.DecodeString(text)
	must("argument", err)
	return raw
}

func main() {
	channel := kio.NewNormalChannel(pipe{bufio.NewReader(os.Stdin)})
	host := globalplatform.NewCommandSet(channel)
	must("select", host.Select())
	must("open", host.OpenSecureChannel())
	status, err := host.GetStatus()
	must("status", err)
	fmt.Fprintln(os.Stderr, status.LifeCycle())
	must("delete", host.DeleteObject(aid(os.Args[3])))
	must("install", host.InstallForInstall(aid(os.Args[1]), aid(os.Args[2]), aid(os.Args[3]), []byte{}))
}
