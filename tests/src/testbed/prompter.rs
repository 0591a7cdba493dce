//! The user at the keyring's dialogs. It replaces the desktop's prompter, which GNOME Keyring asks for passwords
//! (`org.gnome.keyring.SystemPrompter` of gcr), and counts the dialogs.

#![expect(
    clippy::needless_pass_by_value,
    clippy::unused_self,
    clippy::used_underscore_binding,
    reason = "the macro wants methods as the interface has them"
)]

use std::collections::HashMap;

use aes::cipher::{BlockEncryptMut as _, KeyIvInit as _, block_padding::Pkcs7};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use hkdf::Hkdf;
use sha2::Sha256;
use tokio::sync::watch;
use zbus::message::Header;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, OwnedObjectPath, OwnedVariant, Variant};

/// What the user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Types the correct password.
    Password,
    /// Presses Escape.
    Dismiss,
    /// Does nothing. A later answer applies to the open dialog.
    Nothing,
}

/// The object that the keyring calls.
pub(super) struct Prompter {
    pub(super) password: &'static str,
    pub(super) answer: watch::Receiver<Answer>,
    pub(super) shown: watch::Sender<usize>,
}

pub(super) const NAME: &str = "org.gnome.keyring.SystemPrompter";
pub(super) const PATH: &str = "/org/gnome/keyring/Prompter";

#[zbus::interface(name = "org.gnome.keyring.internal.Prompter")]
impl Prompter {
    fn begin_prompting(
        &self,
        callback: OwnedObjectPath,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) {
        let exchange = format!("{SECTION}public={}\n", BASE64_STANDARD.encode(PUBLIC));
        call_back(connection, caller(&header), callback, Some(("", exchange)));
    }

    fn perform_prompt(
        &self,
        callback: OwnedObjectPath,
        _kind: &str,
        _properties: HashMap<String, OwnedVariant>,
        exchange: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) {
        self.shown.send_modify(|count| *count += 1);
        let (mut answer, caller) = (self.answer.clone(), caller(&header));
        let (connection, with_password) = (connection.clone(), encrypted(exchange, self.password));
        tokio::spawn(async move {
            let given = answer.wait_for(|answer| *answer != Answer::Nothing).await.map(|answer| *answer);
            let reply = match given {
                Ok(Answer::Password) => ("yes", with_password),
                _ => ("no", format!("{SECTION}public={}\n", BASE64_STANDARD.encode(PUBLIC))),
            };
            call_back(&connection, caller, callback, Some(reply));
        });
    }

    fn stop_prompting(
        &self,
        callback: OwnedObjectPath,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) {
        call_back(connection, caller(&header), callback, None);
    }
}

fn caller(header: &Header<'_>) -> OwnedUniqueName {
    header.sender().expect("the bus names the sender").to_owned().into()
}

/// Tells the caller that the prompt is ready for the next step or done.
fn call_back(
    connection: &Connection,
    caller: OwnedUniqueName,
    path: OwnedObjectPath,
    step: Option<(&'static str, String)>,
) {
    let connection = connection.clone();
    tokio::spawn(async move {
        let interface = Some("org.gnome.keyring.internal.Prompter.Callback");
        // The keyring may have been killed meanwhile.
        let _ = match step {
            Some((reply, exchange)) => {
                let properties = HashMap::<&str, Variant<'_>>::new();
                let arguments = (reply, properties, exchange);
                connection.call_method(Some(caller), &path, interface, "PromptReady", &arguments).await
            }
            None => connection.call_method(Some(caller), &path, interface, "PromptDone", &()).await,
        };
    });
}

/// The header of the messages in which both sides exchange the secret.
const SECTION: &str = "[sx-aes-1]\n";

/// Our half of the Diffie-Hellman exchange: the generator to the power of one, so that the other half is the shared
/// secret. No other program listens on the test's bus.
const PUBLIC: [u8; 1] = [2];

/// The encrypted password, in answer to the other half: AES-128 in CBC mode, with a key derived by HKDF-SHA256.
fn encrypted(theirs: &str, password: &str) -> String {
    let public = theirs
        .lines()
        .find_map(|line| line.strip_prefix("public="))
        .expect("the text has the other half of the exchange");
    // Use the number as it is: the keyring does not pad it with zeros, so it may be shorter.
    let common = BASE64_STANDARD.decode(public).expect("base64");
    let mut key = [0; 16];
    Hkdf::<Sha256>::new(None, &common).expand(&[], &mut key).expect("the key is short enough for HKDF");
    let iv = [7; 16];
    let cipher = cbc::Encryptor::<aes::Aes128>::new(&key.into(), &iv.into());
    let secret = cipher.encrypt_padded_vec_mut::<Pkcs7>(password.as_bytes());
    let [public, secret, iv] = [&PUBLIC[..], &secret[..], &iv[..]].map(|bytes| BASE64_STANDARD.encode(bytes));
    format!("{SECTION}public={public}\nsecret={secret}\niv={iv}\n")
}
