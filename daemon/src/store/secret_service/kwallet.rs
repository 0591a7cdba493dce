//! KWallet reports a wallet as locked until a client of the Secret Service has opened it, even if the user has opened it with the
//! login password or in another program. Opening such a wallet causes no dialog.

use zbus::fdo::DBusProxy;
use zbus::names::BusName;
use zbus::{Connection, OwnedObjectPath};

use super::proxies::{CollectionProxy, NAME, ServiceProxy};

#[zbus::proxy(interface = "org.kde.KWallet")]
trait KWallet {
    #[zbus(name = "isOpen", no_autostart)]
    fn is_open(&self, wallet: &str) -> zbus::Result<bool>;
}

/// Its names on the bus and its objects, the latest version first.
const VERSIONS: [(&str, &str); 2] =
    [("org.kde.kwalletd6", "/modules/kwalletd6"), ("org.kde.kwalletd5", "/modules/kwalletd5")];

/// Whether the keyring is KWallet, and the wallet behind `collection` is open in it.
pub(super) async fn is_open(service: &ServiceProxy<'_>, collection: &OwnedObjectPath) -> bool {
    let connection = service.inner().connection();
    for (name, path) in VERSIONS {
        if has_both_names(connection, name).await.unwrap_or(false) {
            return ask(connection, name, path, collection).await.unwrap_or(false);
        }
    }
    false
}

async fn has_both_names(connection: &Connection, name: &str) -> zbus::Result<bool> {
    let bus = DBusProxy::new(connection).await?;
    let owner = bus.get_name_owner(BusName::try_from(name)?).await?;
    Ok(bus.get_name_owner(BusName::try_from(NAME)?).await? == owner)
}

async fn ask(
    connection: &Connection,
    name: &str,
    path: &str,
    collection: &OwnedObjectPath,
) -> zbus::Result<bool> {
    let wallet = CollectionProxy::new(connection, collection).await?.label().await?;
    let wallets = KWalletProxy::new(connection, name, path).await?;
    wallets.is_open(&wallet).await
}
