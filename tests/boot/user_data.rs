//! User data as Terraform renders it, by the module that every channel's does.

use crate::machine::said;
use crate::rig::Scratch;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What the module gives for these variables. It needs no provider, and so no network.
pub fn render(variables: &Value) -> String {
    let scratch = Scratch::new("user-data");
    // Terraform keeps its state beside the module, which is not to have any.
    let module = scratch.path().join("module");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("terraform/modules/user-data");
    let copied = Command::new("cp").arg("--recursive").arg(source).arg(&module).output().expect("cp runs");
    assert!(copied.status.success(), "{}", said(&copied));
    std::fs::write(module.join("boot.auto.tfvars.json"), variables.to_string()).expect("it can be written");
    let terraform = |args: &[&str]| {
        let output = Command::new("terraform").current_dir(&module).args(args).output();
        let output = output.expect("`make test-boot` looks for Terraform");
        assert!(output.status.success(), "terraform {}: {}", args.join(" "), said(&output));
        String::from_utf8(output.stdout).expect("Terraform speaks UTF-8")
    };
    terraform(&["init", "-input=false", "-no-color"]);
    terraform(&["apply", "-auto-approve", "-input=false", "-no-color"]);
    terraform(&["output", "-raw", "user_data"])
}
