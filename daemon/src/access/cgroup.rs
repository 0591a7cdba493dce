//! The sandbox, container or systemd unit of a process, from the text of `/proc/PID/cgroup` (`cgroups(7)`). Other programs
//! choose parts of that text.

use imgurd_proto::text::printable_name;

use super::Application;

/// The longest name that imgurd takes from a cgroup, in bytes: names of systemd units are not longer
/// (`systemd.unit(5)`).
const LONGEST: usize = 255;

const SCOPE: &str = ".scope";
const SERVICE: &str = ".service";

/// How the cgroups of sandboxes and containers begin: Flatpak, snapd, Podman, Docker, LXC, LXD (`canonical/lxd`, issue
/// 11870), Incus, systemd-machined, Firejail, CRI-O, containerd, Kubernetes, nerdctl, systemd-nspawn, Toolbx, Distrobox,
/// Apptainer, `BuildKit`, Buildah (container IDs in scopes of `crun` and `runc`), youki (`:youki:ID` without systemd,
/// `libcontainer/src/utils.rs`) and nsjail (`google/nsjail`, `cgroup2.cc`). A desktop starts menu entries in `app-ENTRY`
/// (<https://systemd.io/DESKTOP_ENVIRONMENTS>), so `app-firejail` is Firejail's.
const SANDBOXES: [&str; 33] = [
    "app-flatpak-",
    "flatpak-",
    "snap.",
    "libpod",
    "podman-",
    "docker-",
    "docker.",
    "lxc.",
    "lxc-",
    "incus.",
    "crun-",
    "runc-",
    "buildah-",
    "machine-",
    "firejail",
    "bubblejail",
    "bwrap",
    "crio-",
    "cri-containerd-",
    "containerd-",
    "kubepods",
    "nerdctl-",
    "systemd-nspawn",
    "nspawn",
    "toolbox-",
    "distrobox-",
    "apptainer-",
    "buildkit",
    "youki-",
    ":youki:",
    "NSJAIL",
    "lxd.",
    "app-firejail",
];

/// Directories that contain only containers: `/docker/ID`, `/lxc/NAME`.
const HOLDERS: [&str; 11] = [
    "docker",
    "lxc",
    "lxd",
    "incus",
    "podman",
    "machine.slice",
    "machine",
    "containerd",
    "flatpak",
    "snap",
    "singularity",
];

/// The application of the processes in these cgroups: the sandbox if any line names one, else the unit. `home` are the
/// cgroups of the daemon; a container that contains both does not count.
pub(crate) fn application(cgroups: &str, home: &str) -> Application {
    // A cgroup of the daemon is no sandbox for it.
    let others = cgroups.lines().filter(|line| home.lines().all(|known| known != *line)).filter_map(path_of);
    let mut sandboxes =
        others.filter_map(|(hierarchy, path)| sandbox_in(below(path, home_in(hierarchy, home))));
    if let Some(first) = sandboxes.next() {
        // If two lines name different sandboxes, neither name is reliable.
        let agree = sandboxes.all(|other| other == first);
        return if agree { first } else { Application::Nameless };
    }
    let systemds = cgroups.lines().filter_map(path_of).filter(|(hierarchy, _)| is_systemds(hierarchy));
    let mut units: Vec<_> = systemds.filter_map(|(_, path)| path.split('/').rev().find_map(unit)).collect();
    units.sort();
    units.into_iter().next().map_or(Application::Unknown, Application::Unit)
}

/// The cgroup of the service that the processes in these cgroups are in, for each hierarchy of systemd.
/// `None` for a cgroup in a scope, because systemd starts no service there. `home` is as for [`application`].
pub(crate) fn services<'a>(cgroups: &'a str, home: &str) -> Option<Vec<(&'a str, &'a str)>> {
    let systemds = || cgroups.lines().filter_map(path_of).filter(|(hierarchy, _)| is_systemds(hierarchy));
    let is_in_scope = |(hierarchy, path)| {
        below(path, home_in(hierarchy, home)).split('/').any(|directory| directory.ends_with(SCOPE))
    };
    if systemds().any(is_in_scope) {
        return None;
    }
    let service = |(hierarchy, path)| Some((hierarchy, service(path, home_in(hierarchy, home))?));
    Some(systemds().filter_map(service).collect()).filter(|services: &Vec<_>| !services.is_empty())
}

/// The cgroup of the outermost service in `path`, except the service manager of a user (`user@.service`).
fn service<'a>(path: &'a str, home: &str) -> Option<&'a str> {
    let inner = below(path, home);
    let mut end = path.len() - inner.len();
    for directory in inner.split_inclusive('/') {
        end += directory.len();
        let directory = directory.trim_end_matches('/');
        if directory.ends_with(SERVICE) && !directory.starts_with("user@") {
            return Some(path[..end].trim_end_matches('/'));
        }
    }
    None
}

/// Whether systemd has its units in this hierarchy: version 2, and one hierarchy of version 1.
fn is_systemds(hierarchy: &str) -> bool {
    hierarchy.is_empty() || hierarchy == "name=systemd"
}

fn home_in<'a>(hierarchy: &str, home: &'a str) -> &'a str {
    home.lines().filter_map(path_of).find(|(name, _)| *name == hierarchy).map_or("", |(_, path)| path)
}

/// The controllers and the path of a line `HIERARCHY:CONTROLLERS:PATH`. The kernel appends ` (deleted)` to a
/// removed cgroup.
fn path_of(line: &str) -> Option<(&str, &str)> {
    let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
    Some((controllers, path.strip_suffix(" (deleted)").unwrap_or(path)))
}

/// The part of `path` below the container that also contains `home`. If they share no container, the whole
/// path.
fn below<'a>(path: &'a str, home: &str) -> &'a str {
    match path.strip_prefix(container(home)) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    }
}

fn container(path: &str) -> &str {
    let (mut end, mut position, mut is_next) = (0, 0, false);
    for directory in path.split('/') {
        position += directory.len();
        let is_marked = is_sandbox(directory);
        if is_marked || is_next {
            end = position;
        }
        // These contain containers, and are not containers themselves.
        let holds = [".service", ".slice"].iter().any(|suffix| directory.ends_with(suffix));
        is_next = is_marked && (holds || HOLDERS.contains(&directory));
        position += 1;
    }
    &path[..end]
}

/// The outermost sandbox in the path. Its processes created everything below its cgroup.
fn sandbox_in(path: &str) -> Option<Application> {
    path.split('/').find(|directory| is_sandbox(directory)).map(|directory| {
        flatpak(directory)
            .or_else(|| without_suffix(directory).and_then(snap))
            .map_or(Application::Nameless, Application::Sandbox)
    })
}

fn is_sandbox(directory: &str) -> bool {
    let is_one =
        |name: &str| HOLDERS.contains(&name) || SANDBOXES.iter().any(|beginning| name.starts_with(beginning));
    is_one(directory) || directory.contains("\\x") && is_one(&unescaped(directory))
}

fn without_suffix(unit: &str) -> Option<&str> {
    unit.strip_suffix(".scope").or_else(|| unit.strip_suffix(".service"))
}

/// `app-flatpak-ORG.APP-INSTANCE.scope`.
fn flatpak(unit: &str) -> Option<String> {
    let instance = without_suffix(unit.strip_prefix("app-flatpak-")?)?;
    let id = instance.rsplit_once('-').map_or(instance, |(id, _)| id);
    identifier(id)
}

/// The snap's name in `snap.NAME.APP…`, as in its units and labels.
fn snap(name: &str) -> Option<String> {
    let (snap, _app) = name.strip_prefix("snap.")?.split_once('.')?;
    Some(format!("snap.{}", identifier(snap)?))
}

/// The name of a Flatpak or a snap, if it is a valid one. An invalid name could look like that of another
/// application.
fn identifier(name: &str) -> Option<String> {
    let name = unescaped(name);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (!name.is_empty() && name.len() < LONGEST && name.bytes().all(fits)).then_some(name)
}

/// The snap in `/proc/PID/attr/current`: `snap.NAME.APP (enforce)`.
pub(crate) fn labelled(label: &[u8]) -> Option<Application> {
    let label = std::str::from_utf8(label).ok().filter(|label| label.starts_with("snap."))?;
    Some(snap(label).map_or(Application::Nameless, Application::Sandbox))
}

/// The unit without the part of its name that changes: the number or random text at the end of a scope, or
/// the instance of an application's service (<https://systemd.io/DESKTOP_ENVIRONMENTS>).
fn unit(name: &str) -> Option<String> {
    let stable = if let Some(scope) = name.strip_suffix(".scope") {
        format!("{}.scope", unnumbered(scope))
    } else {
        let service = name.strip_suffix(".service").filter(|service| !service.is_empty())?;
        let instance = service.split_once('@').filter(|_| service.starts_with("app-"));
        format!("{}.service", instance.map_or(service, |(name, _)| name))
    };
    Some(printable_name(&unescaped(&stable))).filter(|stable| !stable.starts_with('.'))
}

/// Removes the number, UUID or 32 hexadecimal digits after the last `-`.
fn unnumbered(scope: &str) -> &str {
    let uuid = scope.len().checked_sub(36).and_then(|start| scope.split_at_checked(start));
    if let Some((name, id)) = uuid
        && id.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && id.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
    {
        return name.strip_suffix('-').unwrap_or(scope);
    }
    match scope.rsplit_once('-') {
        Some((name, id)) if is_random(id) => name,
        _ => scope,
    }
}

fn is_random(id: &str) -> bool {
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    is_number || (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Decodes `\xNN` in a name (`systemd-escape(1)`), as far as the bytes are text.
fn unescaped(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(position) = rest.find("\\x") {
        let (before, escape) = rest.split_at(position);
        bytes.extend_from_slice(before.as_bytes());
        let digits = escape.get(2..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let length = if code.is_some() { 4 } else { 2 };
        bytes.extend(code.map_or_else(|| b"\\x".to_vec(), |byte| vec![byte]));
        rest = &escape[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes.truncate(LONGEST);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
