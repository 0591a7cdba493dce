//! KWallet reports a wallet as locked until a client of the Secret Service has opened it, even if the user has opened it with the
//! login password or in another program. Opening such a wallet causes no dialog.

use std::time::Duration;

use tokio::time::timeout;
use zbus::OwnedObjectPath;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;

use super::proxies::{CollectionProxy, ServiceProxy};

/// How long KWallet may take to answer. zbus itself limits no call with a flag.
const PATIENCE: Duration = Duration::from_secs(5);

#[zbus::proxy(interface = "org.kde.KWallet")]
trait KWallet {
    #[zbus(name = "isOpen", no_autostart)]
    fn is_open(&self, wallet: &str) -> zbus::Result<bool>;
}

/// Its names on the bus and its objects, the latest version first.
const VERSIONS: [(&str, &str); 2] =
    [("org.kde.kwalletd6", "/modules/kwalletd6"), ("org.kde.kwalletd5", "/modules/kwalletd5")];

/// Whether the keyring is KWallet, and the wallet behind `collection` is open in it.
pub(super) async fn is_open(service: &ServiceProxy<'static>, collection: &OwnedObjectPath) -> bool {
    for (name, path) in VERSIONS {
        if has_name(service, name).await.unwrap_or(false) {
            let asking = timeout(PATIENCE, ask(service, path, collection)).await;
            return asking.is_ok_and(|answer| answer.unwrap_or(false));
        }
    }
    false
}

async fn has_name(service: &ServiceProxy<'static>, name: &str) -> zbus::Result<bool> {
    let bus = DBusProxy::new(service.inner().connection()).await?;
    let owner = bus.get_name_owner(BusName::try_from(name)?).await?;
    Ok(owner.as_str() == service.inner().destination().as_str())
}

async fn ask(
    service: &ServiceProxy<'static>,
    path: &str,
    collection: &OwnedObjectPath,
) -> zbus::Result<bool> {
    let wallet = service.object::<CollectionProxy>(collection.clone()).await?.label().await?;
    let keyring = service.inner();
    let wallets = KWalletProxy::new(keyring.connection(), keyring.destination().clone(), path).await?;
    wallets.is_open(&wallet).await
}
