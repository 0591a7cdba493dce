use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn home() -> (tempfile::TempDir, GatewayClients) {
    let home = tempfile::tempdir().unwrap();
    let clients = GatewayClients::new(home.path().join("gateway"));
    (home, clients)
}

/// Uses a refresh token.
async fn show(clients: &GatewayClients, name: &str, shown: &Secret) -> Rotated {
    match clients.find(name, shown).await.unwrap() {
        Some(handle) => clients.rotate(name, handle).await.unwrap(),
        None => Rotated::Void,
    }
}

#[tokio::test]
async fn a_client_secret_is_shown_once_and_stored_as_a_hash() {
    let (home, clients) = home();
    let secret = clients.register("postman").await.unwrap().unwrap();
    assert_eq!(clients.register("postman").await.unwrap(), None);
    let (handle, _) = clients.issue("postman", "me").await.unwrap();
    let file = home.path().join("gateway");
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(secret.expose()) && !text.contains(handle.expose()));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = GatewayClients::new(file);
    assert!(again.knows("postman", &secret).await.unwrap());
    assert!(!again.knows("postman", &"guess".into()).await.unwrap());
    assert!(!again.knows("another", &secret).await.unwrap());
    assert!(matches!(show(&again, "postman", &handle).await, Rotated::Kept));
    assert_eq!(show(&again, "another", &handle).await, Rotated::Void);
    again.remove("postman").await.unwrap();
    assert!(!again.knows("postman", &secret).await.unwrap());
    assert_eq!(show(&again, "postman", &handle).await, Rotated::Void);
}

#[tokio::test]
async fn rotates_a_public_clients_refresh_tokens_and_revokes_on_reuse() {
    let (_home, clients) = home();
    let (first, _) = clients.issue("spa", "me").await.unwrap();
    let (other, _) = clients.issue("spa", "me").await.unwrap();
    let Rotated::Replaced(second) = show(&clients, "spa", &first).await else { panic!("the token is valid") };
    assert_eq!(show(&clients, "spa", &first).await, Rotated::Void);
    assert_eq!(
        show(&clients, "spa", &second).await,
        Rotated::Void,
        "reuse of the first token revokes its successor"
    );
    let Rotated::Replaced(new) = show(&clients, "spa", &other).await else { panic!("the token is valid") };
    clients.revoke("spa", &new).await.unwrap();
    assert_eq!(show(&clients, "spa", &new).await, Rotated::Void);
}

#[tokio::test]
async fn the_oldest_refresh_tokens_are_dropped_beyond_the_limit() {
    let (_home, clients) = home();
    clients.register("n8n").await.unwrap();
    let (first, _) = clients.issue("n8n", "me").await.unwrap();
    for _ in 0..MOST_HANDLES {
        clients.issue("n8n", "me").await.unwrap();
    }
    assert_eq!(show(&clients, "n8n", &first).await, Rotated::Void);
}

#[tokio::test]
async fn a_refresh_token_in_use_is_not_dropped_beyond_the_limit() {
    let (_home, clients) = home();
    clients.register("n8n").await.unwrap();
    let (used, _) = clients.issue("n8n", "me").await.unwrap();
    let (idle, _) = clients.issue("n8n", "me").await.unwrap();
    for _ in 0..2 * MOST_HANDLES {
        clients.issue("n8n", "me").await.unwrap();
        assert_eq!(show(&clients, "n8n", &used).await, Rotated::Kept);
    }
    assert_eq!(show(&clients, "n8n", &idle).await, Rotated::Void);
    // A program that rotates its own refresh tokens takes none from another program.
    let (other, _) = clients.issue("spa", "me").await.unwrap();
    let (mut own, _) = clients.issue("spa", "me").await.unwrap();
    for _ in 0..2 * MOST_HANDLES {
        let Rotated::Replaced(new) = show(&clients, "spa", &own).await else { panic!("the token is valid") };
        own = new;
    }
    assert!(matches!(show(&clients, "spa", &other).await, Rotated::Replaced(_)));
}

#[tokio::test]
async fn a_damaged_file_is_reported_and_not_changed() {
    let (home, clients) = home();
    fs::write(home.path().join("gateway"), "{").unwrap();
    let error = clients.register("postman").await.unwrap_err();
    assert!(matches!(&error, Error::StoreUnavailable { reason } if reason.contains("gateway")), "{error}");
    assert_eq!(fs::read_to_string(home.path().join("gateway")).unwrap(), "{");
}
