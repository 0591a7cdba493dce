//! The daemon opens the browser: through the portal, or as a unit of the user's service manager.

use std::collections::HashMap;

use imgurd_tests::browser;
use imgurd_tests::fake::PATIENCE;
use imgurd_tests::testbed::{Scene, in_time};
use tokio::sync::mpsc;
use tokio::time::timeout;
use zbus::{Connection, OwnedObjectPath, OwnedVariant, interface, object_server::SignalEmitter};

use crate::attacks::signals::Stranger;
use crate::notify::{BUTTONS, Server, scene};

/// `org.freedesktop.portal.OpenURI`, with a user who chooses a browser or none.
struct Portal {
    opened: mpsc::UnboundedSender<String>,
    response: u32,
    /// Sends a forged answer first, which says that the user chose no browser.
    before: Option<Stranger>,
}

#[interface(name = "org.freedesktop.portal.OpenURI")]
impl Portal {
    #[zbus(name = "OpenURI")]
    async fn open_uri(
        &self,
        parent: &str,
        uri: String,
        options: HashMap<String, OwnedVariant>,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: zbus::message::Header<'_>,
    ) -> OwnedObjectPath {
        assert_eq!(parent, "");
        let token = String::try_from(options["handle_token"].try_clone().unwrap()).unwrap();
        let sender = header.sender().unwrap().trim_start_matches(':').replace('.', "_");
        let path = format!("/org/freedesktop/portal/desktop/request/{sender}/{token}");
        let results = HashMap::<&str, OwnedVariant>::new();
        let interface = "org.freedesktop.portal.Request";
        if let Some(stranger) = &self.before {
            stranger.send(&path, interface, "Response", &(1_u32, &results)).await;
        }
        let body = (self.response, results);
        connection.emit_signal(None::<&str>, path.as_str(), interface, "Response", &body).await.unwrap();
        self.opened.send(uri).unwrap();
        path.try_into().unwrap()
    }
}

pub(crate) type Properties = Vec<(String, OwnedVariant)>;

/// `org.freedesktop.systemd1.Manager` of a session with a display.
struct Manager {
    units: mpsc::UnboundedSender<(String, String, Properties)>,
    result: &'static str,
    /// Sends a forged signal first, which says that the job failed.
    before: Option<Stranger>,
}

#[expect(clippy::unused_self, reason = "methods of an object")]
#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    #[zbus(property)]
    fn environment(&self) -> Vec<String> {
        vec!["PATH=/usr/bin".to_owned(), "WAYLAND_DISPLAY=wayland-0".to_owned()]
    }

    fn subscribe(&self) {}

    async fn start_transient_unit(
        &self,
        name: String,
        mode: String,
        properties: Properties,
        aux: Vec<(String, Properties)>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> OwnedObjectPath {
        assert!(aux.is_empty());
        let job = OwnedObjectPath::try_from("/org/freedesktop/systemd1/job/7").unwrap();
        if let Some(stranger) = &self.before {
            let interface = "org.freedesktop.systemd1.Manager";
            let body = (7_u32, &job, &name, "failed");
            stranger.send("/org/freedesktop/systemd1", interface, "JobRemoved", &body).await;
        }
        Self::job_removed(&emitter, 7, job.clone(), &name, self.result).await.unwrap();
        self.units.send((name, mode, properties)).unwrap();
        job
    }

    #[zbus(signal)]
    async fn job_removed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        job: OwnedObjectPath,
        unit: &str,
        result: &str,
    ) -> zbus::Result<()>;
}

pub(crate) async fn soon<T>(inbox: &mut mpsc::UnboundedReceiver<T>) -> T {
    timeout(PATIENCE, inbox.recv()).await.expect("a message comes in time").expect("the sender runs")
}

/// A portal whose dialogs all end with this response, and the URIs that it gets.
async fn portal(scene: &Scene, response: u32) -> (Connection, mpsc::UnboundedReceiver<String>) {
    portal_after(scene, response, None).await
}

/// The same, but another program sends a forged answer first.
pub(crate) async fn portal_after(
    scene: &Scene,
    response: u32,
    before: Option<Stranger>,
) -> (Connection, mpsc::UnboundedReceiver<String>) {
    let (opened, uris) = mpsc::unbounded_channel();
    let connection = scene.bed.connect().await;
    let object = Portal { opened, response, before };
    connection.object_server().at("/org/freedesktop/portal/desktop", object).await.unwrap();
    connection.request_name("org.freedesktop.portal.Desktop").await.unwrap();
    (connection, uris)
}

/// A service manager whose jobs all end with this result, and the units that it starts.
async fn service_manager(
    scene: &Scene,
    result: &'static str,
) -> (Connection, mpsc::UnboundedReceiver<(String, String, Properties)>) {
    service_manager_after(scene, result, None).await
}

/// The same, but another program sends a forged signal first.
pub(crate) async fn service_manager_after(
    scene: &Scene,
    result: &'static str,
    before: Option<Stranger>,
) -> (Connection, mpsc::UnboundedReceiver<(String, String, Properties)>) {
    let (sender, units) = mpsc::unbounded_channel();
    let connection = scene.bed.connect().await;
    let object = Manager { units: sender, result, before };
    connection.object_server().at("/org/freedesktop/systemd1", object).await.unwrap();
    connection.request_name("org.freedesktop.systemd1").await.unwrap();
    (connection, units)
}

/// The page that the unit passes to xdg-open.
pub(crate) fn page_of(properties: &Properties) -> String {
    let (_, command) = properties.iter().find(|(name, _)| name == "ExecStart").unwrap();
    let command = Vec::<(String, Vec<String>, bool)>::try_from(command.try_clone().unwrap()).unwrap();
    let (program, arguments, _) = &command[0];
    assert!(program.ends_with("/xdg-open"), "{program}");
    arguments[1].clone()
}

/// A program asks for a token, and the user presses *Sign in* on the notification.
pub(crate) async fn sign_in_clicked(scene: &Scene) -> Server {
    let mut server = Server::start(&scene.bed, BUTTONS).await;
    scene.ctl(&["token"]).exits(4);
    let id = server.notified().await.id;
    server.press(id, "sign-in").await;
    server
}

#[test]
fn the_portal_opens_the_browser_if_there_is_one() {
    let (scene, _bus) = scene();
    in_time(async {
        let (_portal, mut uris) = portal(&scene, 0).await;
        let mut server = sign_in_clicked(&scene).await;
        browser::allow(&soon(&mut uris).await, "alice");
        assert_eq!(server.notified().await.summary, "imgurd: signed in to 127.0.0.1");
    });
    assert!(!scene.bed.root().join("opened").exists(), "only the portal opens the browser");
}

#[test]
fn a_cancelled_browser_choice_shows_the_page_in_a_notification() {
    let (scene, _bus) = scene();
    in_time(async {
        let (_portal, mut uris) = portal(&scene, 1).await;
        let mut server = sign_in_clicked(&scene).await;
        let uri = soon(&mut uris).await;
        let page = server.notified().await;
        assert!(page.body.contains(&uri.replace('&', "&amp;")), "{}", page.body);
    });
}

#[test]
fn without_a_portal_the_service_manager_starts_the_browser() {
    let (scene, _bus) = scene();
    in_time(async {
        let (_systemd, mut units) = service_manager(&scene, "done").await;
        let mut server = sign_in_clicked(&scene).await;
        let (name, mode, properties) = soon(&mut units).await;
        assert!(name.starts_with("imgurd-browser-") && name.ends_with(".service"), "{name}");
        assert_eq!(mode, "fail");
        let text = |key: &str| {
            let (_, value) = properties.iter().find(|(name, _)| name == key).unwrap();
            String::try_from(value.try_clone().unwrap()).unwrap()
        };
        assert_eq!(text("Type"), "oneshot");
        assert_eq!(text("KillMode"), "process", "the browser keeps running when its starter ends");
        assert_eq!(text("CollectMode"), "inactive-or-failed");
        browser::allow(&page_of(&properties), "alice");
        assert_eq!(server.notified().await.summary, "imgurd: signed in to 127.0.0.1");
    });
}

#[test]
fn a_failed_browser_unit_shows_the_page_in_a_notification() {
    let (scene, _bus) = scene();
    in_time(async {
        let (_systemd, mut units) = service_manager(&scene, "failed").await;
        let mut server = sign_in_clicked(&scene).await;
        soon(&mut units).await;
        let page = server.notified().await;
        assert!(
            page.body.contains("found no browser") && page.body.contains(&scene.fake.origin()),
            "{}",
            page.body
        );
    });
}
