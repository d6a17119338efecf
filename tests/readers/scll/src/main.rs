//! Opens a card by SCP03 or SCP02 and lists it; gives it other keys, makes a domain and deletes it,
//! and secures the card: by scll, over standard input and output, a command and an answer (hex) on
//! each line.
//!
//! Arguments, in hex: security level, version and keys of the card (Key-ENC, Key-MAC, Key-DEK). That
//! lists it; five more have it managed: version and keys of the new set, and the names of a domain's
//! package, of its module and of the domain to be made.

use std::env;
use std::io::{self, BufRead};
use std::process::exit;

use heapless::Vec as Bounded;
use rand_core::OsRng;
use scll::backend::{KeyBackend, KeyHandle, KeyKind};
use scll::backend_rustcrypto::RustCryptoBackend;
use scll::error::ScllError;
use scll::limits::RAPDU_MAX;
use scll::model::{CardInfo, ScpVariant};
use scll::report::{CardLifeCycle, DeleteCascade, ScpTargetKind};
use scll::transport::{AtrAts, Transport, TransportCaps, TransportError, TransportProtocol};
use scll::workflow::{
    CreateSsdArgs, NewKeyset, OpenScpArgs, PutSdKeysArgs, SdKeys, SetCardStatusArgs,
};
use scll::CardManager;

struct Pipe;

impl Transport for Pipe {
    fn transmit(&mut self, command: &[u8]) -> Result<Bounded<u8, RAPDU_MAX>, TransportError> {
        println!("{}", hex(command));
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        if read.is_err() || line.is_empty() {
            return Err(TransportError::CardRemoved);
        }
        Bounded::from_slice(&bytes(line.trim())).map_err(|()| TransportError::ProtocolError)
    }

    fn capabilities(&self) -> TransportCaps {
        TransportCaps {
            handles_t0_get_response: true,
            protocol: TransportProtocol::T1,
            contactless: false,
        }
    }

    fn reset(&mut self) -> Result<AtrAts, TransportError> {
        let answer = bytes("3B80800101");
        Ok(AtrAts {
            bytes: Bounded::from_slice(&answer).map_err(|()| TransportError::ProtocolError)?,
            protocol: TransportProtocol::T1,
        })
    }

    fn protocol(&self) -> TransportProtocol {
        TransportProtocol::T1
    }

    fn is_connected(&self) -> bool {
        true
    }
}

type Host = CardManager<Pipe, RustCryptoBackend<OsRng>>;

fn hex(raw: &[u8]) -> String {
    raw.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn bytes(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
        .collect()
}

fn must<Told>(what: &str, done: Result<Told, ScllError>) -> Told {
    done.unwrap_or_else(|fault| {
        eprintln!("{what} {fault:?}");
        exit(1);
    })
}

fn imported(host: &Host, kind: KeyKind, keys: &[u8]) -> SdKeys {
    let each: Vec<KeyHandle> = keys
        .chunks(keys.len() / 3)
        .map(|key| host.backend().import_key(kind, key).expect("key"))
        .collect();
    SdKeys {
        enc: each[0],
        mac: each[1],
        dek: each[2],
    }
}

fn kind(info: &CardInfo, keys: &[u8]) -> KeyKind {
    match (info.scp_default, keys.len() / 3) {
        (ScpVariant::Scp02 { .. }, _) => KeyKind::TripleDesDouble,
        (_, 16) => KeyKind::Aes128,
        (_, 24) => KeyKind::Aes192,
        _ => KeyKind::Aes256,
    }
}

fn open(host: &mut Host, info: &CardInfo, level: u8, version: u8, keys: SdKeys) {
    let args = OpenScpArgs {
        target_aid: info.isd_aid.as_bytes(),
        target_kind: ScpTargetKind::SecurityDomainAid,
        sd_keys: keys,
        advertised: info.scp_supported.as_slice(),
        force_scp: None,
        kvn: version,
        requested_level: level,
    };
    let open = must("open", host.open_scp(&args));
    let level = open.security_level_effective;
    eprintln!("open {:02X} {level:02X}", open.kvn_effective);
}

fn list(host: &mut Host, domain: &[u8]) {
    let found = must("list", host.get_card_inventory(domain)).inventory;
    for each in &found.security_domains {
        eprintln!(
            "domain {} {:02X}",
            hex(each.aid.as_bytes()),
            each.life_cycle_state
        );
    }
    for each in &found.applets {
        let owner = hex(each.associated_sd_aid.as_bytes());
        eprintln!("application {} {owner}", hex(each.aid.as_bytes()));
    }
    for each in &found.elfs {
        let modules: Vec<String> = each.modules.iter().map(|aid| hex(aid.as_bytes())).collect();
        eprintln!("package {} {}", hex(each.aid.as_bytes()), modules.join(" "));
    }
}

fn set(host: &mut Host, domain: &[u8], wanted: CardLifeCycle) {
    let current = must("status", host.get_card_status(domain)).state;
    let args = SetCardStatusArgs {
        target_state: wanted,
        current_state: Some(current),
        force: false,
        isd_aid: domain,
    };
    must("set", host.set_card_status(&args));
    eprintln!(
        "status {:?}",
        must("status", host.get_card_status(domain)).state
    );
}

fn main() {
    let given: Vec<Vec<u8>> = env::args().skip(1).map(|text| bytes(&text)).collect();
    let mut host = CardManager::new(Pipe, RustCryptoBackend::new(OsRng));
    let info = must("discover", host.discover(None));
    let domain = info.isd_aid.as_bytes();
    eprintln!("offers {:?}", info.scp_supported.as_slice());
    let (level, version) = (given[0][0], given[1][0]);
    let old = imported(&host, kind(&info, &given[2]), &given[2]);
    open(&mut host, &info, level, version, old);
    eprintln!(
        "status {:?}",
        must("status", host.get_card_status(domain)).state
    );
    list(&mut host, domain);
    let [new_version, new_keys, package, module, made] = &given[3..] else {
        return;
    };
    let kind = kind(&info, new_keys);
    let new = imported(&host, kind, new_keys);
    must(
        "put",
        host.put_sd_keys(&PutSdKeysArgs {
            dek: old.dek,
            new_keys: NewKeyset {
                enc: new.enc,
                mac: new.mac,
                dek: new.dek,
                kind,
            },
            new_kvn: new_version[0],
            target_sd_aid: domain,
        }),
    );
    host.close_channel();
    open(&mut host, &info, level, new_version[0], new);
    must("delete", host.delete_sd_keyset(version, domain));
    must(
        "create",
        host.create_ssd(&CreateSsdArgs {
            parent_sd_aid: domain,
            ssd_aid: made,
            elf_aid: package,
            module_aid: module,
            privileges: [0x80, 0, 0],
            install_params: &[0xC9, 0],
        }),
    );
    list(&mut host, domain);
    must("delete", host.delete_ssd(made, DeleteCascade::Never));
    set(&mut host, domain, CardLifeCycle::Initialized);
    set(&mut host, domain, CardLifeCycle::Secured);
    host.close_channel();
    let after = must("discover", host.discover(None));
    let sets = after
        .isd_keysets
        .iter()
        .map(|each| format!("{:02X}", each.kvn));
    eprintln!("keys {}", sets.collect::<Vec<_>>().join(" "));
}
