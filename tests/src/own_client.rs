//! The clients in `proto/python` and `proto/js`, controlled by lines of JSON.

use serde_json::Value;

use crate::repository;
use crate::stranger::{node, python};
use crate::testbed::{Program, Testbed};

/// A program that uses one of these clients.
#[derive(Debug)]
pub struct OwnClient(Program);

impl OwnClient {
    /// The Python package, with requests and httpx of PyPI.
    pub fn python(bed: &Testbed) -> Self {
        let mut command = python(bed);
        command.env("PYTHONPATH", repository().join("proto/python")).env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(repository().join("tests/strangers/imgurd_client.py"));
        Self(bed.start(command))
    }

    /// The JavaScript package.
    pub fn javascript(bed: &Testbed) -> Self {
        let mut command = node(bed);
        command.arg(repository().join("tests/strangers/imgurd_client.mjs"));
        Self(bed.start(command))
    }

    /// Sends a request without waiting for the answer.
    pub fn request(&mut self, request: &Value) {
        self.0.write(&format!("{request}\n"));
    }

    /// Waits for the next answer.
    pub fn answer(&mut self) -> Value {
        let line = self.0.line().expect("the client answers before it ends");
        serde_json::from_str(&line).expect("the answer is JSON")
    }

    /// Sends a request, and returns the answer.
    pub fn ask(&mut self, request: &Value) -> Value {
        self.request(request);
        self.answer()
    }
}
