//! The Python in README.md, as it stands there.

use imgurd_tests::fake::Behaviour;
use imgurd_tests::stranger::python;
use imgurd_tests::testbed::{Scene, Testbed};

const README: &str = include_str!("../../../README.md");

#[test]
fn the_examples_in_python_work_as_they_stand() {
    let examples: Vec<_> =
        README.split("```python\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 3, "{examples:?}");
    for example in examples {
        let bed = Testbed::memory();
        let _bus = bed.bus();
        let scene = Scene::new(bed, Behaviour::default()).signed_in();
        let mut command = python(&scene.bed);
        command.args(["-c", example]);
        scene.bed.start(command).finish().success();
        assert_eq!(scene.refreshes().len(), 1, "for a rejected token there is another: {example}");
    }
}
