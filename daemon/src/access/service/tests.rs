use rstest::rstest;

use super::*;

const EVERYBODY: &str = "0 0 4294967295\n";
const ONE: &str = "1000 1000 1\n";

#[rstest]
#[case::alike(UserNamespace::new(ONE, None), true, true)]
#[case::at_home(UserNamespace::new(EVERYBODY, None), false, false)]
#[case::at_home_by_its_namespace(UserNamespace::new(ONE, Some("user:[1]")), false, false)]
#[case::an_ancestor_at_home(UserNamespace::new(EVERYBODY, None), true, false)]
#[case::an_ancestor_with_others(UserNamespace::new("0 1000 1\n", None), true, false)]
#[case::an_ancestor_in_another_namespace(UserNamespace::new(ONE, Some("user:[3]")), true, false)]
#[case::an_ancestor_in_the_same(UserNamespace::new(ONE, Some("user:[2]")), true, true)]
#[case::a_sandbox_beside(UserNamespace::new("0 1000 1\n", Some("user:[3]")), false, true)]
fn accepts_processes_that_fit_the_services_user_namespace(
    #[case] its: UserNamespace,
    #[case] is_ancestor: bool,
    #[case] expected: bool,
) {
    let home = UserNamespace::new(EVERYBODY, Some("user:[1]"));
    assert_eq!(fits(&its, is_ancestor, &UserNamespace::new(ONE, Some("user:[2]")), &home), expected);
}

const UNIFIED: &str = "31 23 0:28 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
const HYBRID: &str = "\
32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";
const CONTAINER: &str = "31 23 0:28 /box /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

#[rstest]
#[case(UNIFIED, "", "/a.slice/b.service", &["/sys/fs/cgroup/a.slice/b.service"])]
#[case(HYBRID, "", "/b.service", &["/sys/fs/cgroup/unified/b.service"])]
#[case(HYBRID, "name=systemd", "/b.service", &["/sys/fs/cgroup/systemd/b.service"])]
#[case(CONTAINER, "", "/box/b.service", &["/sys/fs/cgroup/b.service"])]
#[case(CONTAINER, "", "/boxes/b.service", &[])]
#[case(UNIFIED, "name=systemd", "/b.service", &[])]
#[case(UNIFIED, "", "/../b.service", &[])]
#[case(UNIFIED, "", "/../../../../elsewhere/b.service", &[])]
#[case("nonsense\n - cgroup2\n1 2 3 - cgroup2 x y", "", "/b.service", &[])]
fn finds_the_directories_of_a_cgroup(
    #[case] mountinfo: &str,
    #[case] hierarchy: &str,
    #[case] path: &str,
    #[case] expected: &[&str],
) {
    let expected: Vec<_> = expected.iter().map(PathBuf::from).collect();
    assert_eq!(directories(mountinfo, hierarchy, path), expected);
}

#[test]
fn finds_all_processes_of_a_service_up_to_a_limit() {
    let service = tempfile::tempdir().unwrap();
    let write = |directory: &str, text: &str| {
        let directory = service.path().join(directory);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("cgroup.procs"), text).unwrap();
    };
    let all = || {
        all_in(service.path().to_owned()).map(|mut pids| {
            pids.sort_unstable();
            pids
        })
    };
    assert!(all().unwrap().is_empty(), "a service that was removed meanwhile has no processes");
    write("", "3\n1\n");
    write("a", "");
    write("a/b", "2\n");
    assert_eq!(all().unwrap(), [1, 2, 3]);
    write("c", "nonsense\n");
    all().unwrap_err();
    write("c", &"4194304\n".repeat(MOST - 3));
    assert_eq!(all().unwrap().len(), MOST);
    write("c", &"4194304\n".repeat(MOST - 2));
    all().unwrap_err();
    write("c", &"4194304\n".repeat(MOST + 1));
    all().unwrap_err();
}

#[test]
fn users_of_an_ended_process_are_none_and_of_a_foreign_one_an_error() {
    assert!(matches!(users_of(i32::MAX), Ok(None)));
    assert!(users_of(0).is_err());
    assert!(users_of(getpid().as_raw_nonzero().get()).unwrap().is_some());
}
