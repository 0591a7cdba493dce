//! `imgurctl init`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::daemon::{Home, only_line};

#[test]
fn creates_the_configuration_and_key_only_once() {
    let home = Home::new();
    let ran = home.run(&["init", "--store", "file"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    let directory = home.path().join("config/imgurd");
    let key = fs::read_to_string(directory.join("key")).expect("a key");
    let mode = fs::metadata(directory.join("key")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let config = fs::read_to_string(directory.join("config.toml")).expect("a file");
    assert!(config.contains("\nstore = \"file\"\n"));
    assert!(!ran.stderr.contains(key.trim()), "the key is not printed");

    let ran = home.run(&["init", "--store", "file"]);
    assert_eq!(ran.code, 1);
    assert!(only_line(&ran.stderr).contains("was not changed"));
    assert_eq!(fs::read_to_string(directory.join("key")).expect("a key"), key);
    assert_eq!(fs::read_to_string(directory.join("config.toml")).expect("a file"), config);
}

#[test]
fn chooses_the_keyring_by_default() {
    let home = Home::new();
    let ran = home.run(&["init", "--json"]);
    let done: Value = serde_json::from_str(only_line(&ran.stdout)).expect("JSON");
    assert_eq!((&done["store"], &done["key"]), (&"secret-service".into(), &Value::Null));
    assert_eq!(ran.stderr, "");
}

#[test]
fn names_the_line_of_an_invalid_configuration() {
    let home = Home::new();
    let directory = home.path().join("config/imgurd");
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join("config.toml"), "a = 1\nstore = \n").expect("written");
    let ran = home.run(&["init", "--store", "file"]);
    assert_eq!(ran.code, 1);
    assert!(only_line(&ran.stderr).contains("line 2"), "{ran:?}");
    assert!(!directory.join("key").exists());
}
