//! `tests/packages` on a machine that lacks two packages with services.

use imgurd_tests::testbed::Machine;

/// Prints its arguments, and what the machine's policy says about starting a service (invoke-rc.d(8)).
const APT_GET: &str = "#!/bin/sh\necho \"apt-get $*\"\n\
    [ $1 != install ] || { /usr/sbin/policy-rc.d ssh start; echo \"policy $?\"; }\n";

fn equip(machine: &Machine) {
    machine.write("root", "/packages", include_str!("../../../packages"));
    machine.write("root", "/usr/local/bin/apt-get", APT_GET);
    machine.write("root", "/usr/local/bin/update-rc.d", "#!/bin/sh\necho \"update-rc.d $*\"\n");
    machine.run("root", &["chmod", "755", "/usr/local/bin/apt-get", "/usr/local/bin/update-rc.d"]).success();
    let gone = ["rm", "-f", "/usr/sbin/policy-rc.d", "/usr/sbin/nginx", "/usr/sbin/sshd"];
    machine.run("root", &gone).success();
}

#[test]
fn missing_packages_are_listed_first_and_start_no_service() {
    let Some(machine) = Machine::boot() else { return };
    equip(&machine);
    let said = machine.run("root", &["env", "CI=true", "sh", "/packages", "test"]).success().stdout;
    let (list, installation) =
        said.split_once("apt-get update").expect("the output includes the installation");
    for line in ["  nginx-light              a proxy", "  openssh-server           a test's own server"] {
        assert!(list.contains(line), "{line} is not in:\n{said}");
    }
    let installs = "apt-get install -q -y --no-install-recommends nginx-light openssh-server";
    for line in [installs, "policy 101", "update-rc.d nginx disable", "update-rc.d ssh disable"] {
        assert!(installation.contains(line), "{line} is not in:\n{said}");
    }
    machine.run("root", &["test", "-e", "/usr/sbin/policy-rc.d"]).exits(1);
}
