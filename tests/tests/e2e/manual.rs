//! The manual pages document every option, every setting and every D-Bus method.

use std::fs;

use imgurd_proto::dbus::{BUS_NAME, PATH, account_path};
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{ACCOUNT, Scene, Testbed, binary};
use serde_json::Value;

/// The roff text of an installed page.
fn page(bed: &Testbed, file: &str) -> String {
    let directory = bed.root().join("man");
    bed.ctl(&["man", directory.to_str().unwrap()]).success();
    fs::read_to_string(directory.join(file)).unwrap()
}

/// The text with roff's escapes.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq")
}

/// The text below a heading.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!(".SH {heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    rest.split("\n.SH ").next().unwrap()
}

/// The keys that the daemon's error message lists for a configuration with an unknown key.
fn keys(config: &str) -> Vec<String> {
    let bed = Testbed::new();
    bed.configure(config);
    let said = bed.spawn_daemon(&["--check"]).log_when_ended(1);
    let (_, listed) =
        said.split_once("expected ").or_else(|| said.split_once("choose one of ")).expect("a list");
    let listed = listed.split([';', '\n']).next().unwrap().replace('`', " ").replace("one of", "");
    let words = listed.split([',', ' ']).filter(|word| !word.is_empty() && *word != "or");
    words.map(str::to_owned).collect()
}

#[test]
fn every_key_of_the_configuration_is_documented() {
    let bed = Testbed::new();
    let page = page(&bed, "man5/imgurd-config.5");
    for (heading, text, fewest) in [
        ("TOP LEVEL", "nonsense = 1\n", 7),
        ("[refresh]", "[refresh]\nnonsense = 1\n", 2),
        ("[notifications]", "[notifications]\nnonsense = 1\n", 2),
        ("[access]", "[access]\nnonsense = 1\n", 4),
        ("[gateway]", "[gateway]\nnonsense = 1\n", 2),
        ("[accounts.NAME]", "[accounts.a]\nclient_id = \"x\"\nnonsense = 1\n", 15),
    ] {
        let keys = keys(text);
        assert!(keys.len() >= fewest, "{heading}: {keys:?}");
        for key in keys {
            let is_section = page.contains(&format!(".SH [{key}"));
            let entry = format!("\n.BR {key} \" (");
            assert!(
                is_section || section(&page, heading).contains(&entry),
                "{key} has no entry in {heading}"
            );
        }
    }
}

#[test]
fn the_documented_defaults_are_those_of_a_new_account() {
    let scene = Scene::memory(Behaviour::default());
    scene.ctl(&["account", "add", "plain", "--client-id", "x"]).success();
    let settings = scene.ctl(&["account", "show", "plain", "--json"]).success().json()["settings"].clone();
    let page = page(&scene.bed, "man5/imgurd-config.5");
    let entries = section(&page, "[accounts.NAME]");
    for (key, value) in settings.as_object().unwrap().iter().filter(|(key, _)| *key != "client_id") {
        let value = match value {
            Value::String(text) => roff(&format!("\"{text}\"")),
            other => other.to_string(),
        };
        let entry = entries
            .lines()
            .find(|line| line.starts_with(&format!(".BR {key} ")))
            .expect("the page has an entry for the setting");
        assert!(entry.contains(&format!("default {value}")), "{key} is {value}: {entry}");
    }
}

#[test]
fn every_option_of_the_daemon_is_documented() {
    let bed = Testbed::new();
    let page = page(&bed, "man1/imgurd.1");
    let mut command = bed.command(binary("imgurd"));
    command.arg("--help");
    let help = bed.start(command).finish().success().stdout;
    let words = help.split([' ', '\n', ',']).filter(|word| word.starts_with("--"));
    let options: Vec<_> = words.collect();
    assert!(options.len() >= 7, "{help}");
    for option in options {
        assert!(section(&page, "OPTIONS").contains(&roff(option)), "{option} has no entry");
    }
}

/// The value of the attribute `name`.
fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split_once(&format!("{name}=\""))?.1.split('"').next()
}

/// The members of the interfaces in introspection data, each as the manual writes it.
fn members(xml: &str) -> Vec<String> {
    let mut members = Vec::new();
    for interface in xml.split("<interface ").filter(|it| it.starts_with("name=\"org.imgurd.")) {
        let interface = interface.split("</interface>").next().unwrap();
        for kind in ["<method ", "<signal "] {
            for element in interface.split(kind).skip(1) {
                let end = element.find("</").unwrap_or(element.len());
                let empty = element.find("/>").filter(|at| !element[..*at].contains('>'));
                members.push(member(&element[..empty.unwrap_or(end)]));
            }
        }
        for element in interface.split("<property ").skip(1) {
            let kind = attribute(element, "type").unwrap();
            let writable = if attribute(element, "access") == Some("readwrite") { ", writable" } else { "" };
            members.push(format!("{} ({kind}{writable})", attribute(element, "name").unwrap()));
        }
    }
    members
}

fn member(element: &str) -> String {
    let arguments = |direction: &str| {
        let arguments = element
            .split("<arg ")
            .skip(1)
            .filter(|it| attribute(it, "direction").unwrap_or("in") == direction);
        let written =
            |it: &str| format!("{} {}", attribute(it, "type").unwrap(), attribute(it, "name").unwrap());
        arguments.map(written).collect::<Vec<_>>().join(", ")
    };
    let (given, answered) = (arguments("in"), arguments("out"));
    let answered = if answered.is_empty() { String::new() } else { format!(" -> ({answered})") };
    format!("{}({given}){answered}", attribute(element, "name").unwrap())
}

#[test]
fn every_member_on_the_bus_is_documented() {
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let scene = Scene::new(bed, Behaviour::default());
    let page = page(&scene.bed, "man7/org.imgurd.Keeper1.7");
    let mut all = Vec::new();
    for path in [PATH, account_path(ACCOUNT).as_str()] {
        let mut command = scene.bed.command("busctl");
        command.args(["--user", "introspect", "--xml-interface", BUS_NAME, path]);
        all.extend(members(&scene.bed.start(command).finish().success().stdout));
    }
    assert!(all.len() > 28, "{all:#?}");
    for member in all {
        let entry = format!("\n.B {}\n", roff(&member));
        assert!(section(&page, "ON D\\-BUS").contains(&entry), "{member} has no entry");
    }
}
