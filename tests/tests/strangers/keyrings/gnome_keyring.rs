//! GNOME Keyring, with the dialogs of GNOME's own prompter.

use imgurd_tests::testbed::{Keyring, Testbed};

use super::keepassxc::KeePassXc;
use super::{Provider, keeps_the_grant};

#[derive(Default)]
pub(super) struct GnomeKeyring(Option<Keyring>);

impl GnomeKeyring {
    fn keyring(&mut self) -> &mut Keyring {
        self.0.as_mut().expect("the keyring runs")
    }
}

impl Provider for GnomeKeyring {
    fn name(&self) -> &'static str {
        "gnome-keyring"
    }

    fn start(&mut self, bed: &Testbed) {
        self.0.get_or_insert_with(|| bed.keyring_with_dialogs()).start(bed);
    }

    fn kill(&mut self) {
        self.keyring().kill();
    }

    fn lock(&mut self, _: &Testbed) {
        self.keyring().lock();
    }

    fn unlock(&mut self, _: &Testbed) {
        self.keyring().unlock();
    }

    fn delete(&mut self, bed: &Testbed) {
        bed.secret_tool(&["clear", "service", "imgurd"], "").expect("the keyring has an item");
    }

    fn open_another(&mut self, _: &Testbed) {
        self.keyring().make_another_default();
    }
}

#[test]
fn gnome_keyring_keeps_the_grant() {
    keeps_the_grant(Box::new(GnomeKeyring::default()), Box::new(KeePassXc::default()));
}
