//! Completion in real shells: commands, options, and the daemon's accounts.

use std::fs;
use std::process::Command;

use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Scene, binary};

/// A scene with two accounts, and `imgurctl` in `PATH`.
fn scene() -> Scene {
    let scene = Scene::memory(Behaviour::default());
    scene.ctl(&["account", "add", "other", "--client-id", "x"]).success();
    let directory = binary("imgurctl").parent().unwrap().to_owned();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([directory].into_iter().chain(std::env::split_paths(&others)));
    scene.bed.set_env("PATH", path.unwrap());
    scene
}

/// Writes the completion script of a shell to a file with this name.
fn script(scene: &Scene, shell: &str, name: &str) -> String {
    let script = scene.ctl(&["completions", shell]).success().stdout;
    let directory = scene.bed.root().join("completions");
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join(name);
    fs::write(&file, script).unwrap();
    file.to_str().unwrap().to_owned()
}

fn shell(scene: &Scene, program: &str, arguments: &[&str]) -> String {
    let mut command: Command = scene.bed.command(program);
    command.args(arguments).env_remove("RUST_LOG");
    scene.bed.start(command).finish().success().stdout
}

/// Calls the function that bash has registered, as bash does when you press Tab after the last word.
const BASH: &str = r#"
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
[[ $(complete -p imgurctl) =~ -F\ ([^ ]+) ]] || exit
"${BASH_REMATCH[1]}" imgurctl "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

#[test]
fn bash_completes_accounts_commands_and_choices() {
    let scene = scene();
    let script = script(&scene, "bash", "imgurctl");
    let complete = |words: &[&str]| {
        let arguments = [&["--norc", "-c", BASH, "bash", &script, "imgurctl"], words].concat();
        let said = shell(&scene, "bash", &arguments);
        said.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["token", "my"]), ["mytoken"]);
    assert_eq!(complete(&["account", "remove", "o"]), ["other"]);
    assert_eq!(complete(&["permit", "allow", "org.example.App", ""])[..2], ["mytoken", "other"]);
    assert_eq!(complete(&["doc"]), ["doctor"]);
    assert_eq!(complete(&["login", "--flow", "p"]), ["pin"]);
}

#[test]
fn without_a_daemon_bash_completes_no_accounts() {
    let mut scene = scene();
    assert!(scene.stop().success());
    let script = script(&scene, "bash", "imgurctl");
    let said = shell(&scene, "bash", &["--norc", "-c", BASH, "bash", &script, "imgurctl", "token", "my"]);
    assert_eq!(said.trim(), "");
}

#[test]
fn fish_completes_accounts_with_their_state() {
    let scene = scene();
    let script = script(&scene, "fish", "imgurctl.fish");
    let line = format!("source {script}; complete --do-complete 'imgurctl token my'");
    assert_eq!(shell(&scene, "fish", &["--no-config", "-c", &line]), "mytoken\tempty\n");
}

/// A zsh that finds the installed script in its `fpath`, in which the user presses Tab once.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty person zsh -f -i
zpty -w person "PS1= RPS1= fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; print REA\"\"DY"
zpty -r person said '*READY*'
zpty -w -n person $'imgurctl token my\t\x01print -r -- LI""NE \n'
zpty -r person said $'*LINE imgurctl token my*\n'
print -r -- $said
"#;

#[test]
fn zsh_completes_accounts_on_the_first_tab() {
    let scene = scene();
    let script = script(&scene, "zsh", "_imgurctl");
    let directory = script.strip_suffix("/_imgurctl").unwrap();
    let said = shell(&scene, "zsh", &["-f", "-c", ZSH, "zsh", directory]);
    assert!(said.contains("LINE imgurctl token mytoken"), "{said:?}");
}
