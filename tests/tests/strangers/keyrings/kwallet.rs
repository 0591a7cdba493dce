//! KWallet, with its own dialogs.

use std::fs;
use std::process::Stdio;

use imgurd_tests::testbed::{ACCOUNT, Running, Testbed, wait_for_owner};

use super::gnome_keyring::GnomeKeyring;
use super::{Desktop, NAME, Provider, is_fresh, is_locked, keeps_the_grant};

/// KWallet, with a wallet that the login opens (pam_kwallet).
#[derive(Default)]
struct KWallet(Option<Running>);

impl Provider for KWallet {
    fn name(&self) -> &'static str {
        "kwallet"
    }

    fn start(&mut self, bed: &Testbed) {
        let salt = bed.data_home().join("kwalletd/kdewallet.salt");
        if !salt.exists() {
            fs::create_dir_all(salt.parent().unwrap()).unwrap();
            fs::write(&salt, [7; 56]).unwrap();
            fs::create_dir_all(bed.config_home()).unwrap();
            let settings =
                "[Wallet]\nEnabled=true\nFirst Use=false\n[org.freedesktop.secrets]\napiEnabled=true\n";
            fs::write(bed.config_home().join("kwalletrc"), settings).unwrap();
            // The Secret Service does not show a wallet that has just been made.
            let first = Running::start(bed.command("kwalletd5"));
            open_wallet(bed, "kdewallet");
            drop(first);
        }
        self.0 = Some(Running::start(bed.command("kwalletd5")));
        open_wallet(bed, "kdewallet");
        wait_for_owner(bed, NAME);
    }

    fn kill(&mut self) {
        self.0 = None;
    }

    fn lock(&mut self, bed: &Testbed) {
        close_wallets(bed);
    }

    fn unlock(&mut self, bed: &Testbed) {
        open_wallet(bed, "kdewallet");
    }

    fn delete(&mut self, bed: &Testbed) {
        bed.secret_tool(&["clear", "service", "imgurd"], "").expect("the keyring has an item");
    }

    fn open_another(&mut self, bed: &Testbed) {
        open_wallet(bed, "another");
    }
}

fn open_wallet(bed: &Testbed, wallet: &str) {
    wait_for_owner(bed, "org.kde.kwalletd5");
    let script = "import hashlib, os, subprocess, sys\n\
        salt = open(os.environ['XDG_DATA_HOME'] + '/kwalletd/kdewallet.salt', 'rb').read()\n\
        key = hashlib.pbkdf2_hmac('sha512', b'correct horse', salt, 50000, 56)\n\
        wallet = ['org.kde.kwalletd5', '/modules/kwalletd5', 'org.kde.KWallet', 'pamOpen', 'sayi', sys.argv[1], '56']\n\
        subprocess.run(['busctl', '--user', 'call', *wallet, *map(str, key), '0'], check=True)\n\
        is_open = ['busctl', '--user', 'call', *wallet[:3], 'isOpen', 's', sys.argv[1]]\n\
        while subprocess.run(is_open, capture_output=True, check=True).stdout != b'b true\\n': pass\n";
    let mut command = bed.command("python3");
    assert!(command.args(["-c", script, wallet]).stdout(Stdio::null()).status().unwrap().success());
}

/// Closes the wallets. Without this, KWallet writes changes to its file some seconds later.
fn close_wallets(bed: &Testbed) {
    let call =
        ["--user", "call", "org.kde.kwalletd5", "/modules/kwalletd5", "org.kde.KWallet", "closeAllWallets"];
    assert!(bed.command("busctl").args(call).status().unwrap().success());
}

#[test]
fn kwallet_keeps_the_grant() {
    keeps_the_grant(Box::new(KWallet::default()), Box::new(GnomeKeyring::default()));
}

#[test]
fn uses_an_open_wallet_and_leaves_a_closed_one_closed() {
    let mut desktop = Desktop::new(Box::new(KWallet::default()), Box::new(GnomeKeyring::default()));
    desktop.bed().sign_in(&desktop.scene.fake, ACCOUNT);
    desktop.scene.wait_until(is_fresh);
    // The next session, which opens the wallet.
    desktop.scene.crash();
    close_wallets(desktop.bed());
    desktop.provider.kill();
    desktop.provider.start(&desktop.scene.bed);
    desktop.scene.start();
    desktop.scene.wait_until(is_fresh);
    let token = desktop.scene.refresh();

    // A session that does not open the wallet.
    close_wallets(desktop.bed());
    desktop.provider.kill();
    let _closed = Running::start(desktop.bed().command("kwalletd5"));
    wait_for_owner(desktop.bed(), NAME);
    desktop.scene.restart();
    desktop.scene.wait_until(is_locked);
    desktop.look();
    open_wallet(desktop.bed(), "kdewallet");
    desktop.scene.wait_until(is_fresh);
    assert_eq!(desktop.scene.token(), token);
    desktop.expect_no_dialog("wallet-opened-later");
}
