//! Certificates for this machine, from an authority of the test's own.

use std::fs;
use std::path::Path;
use std::process::Command;

/// An authority (`ca.pem`), and a certificate that it signed for this machine (`pod.pem`, `pod.key`).
pub(crate) fn certificates(folder: &Path) {
    let run = |arguments: &str| {
        let words: Vec<&str> = arguments.split(' ').collect();
        let output = Command::new("openssl")
            .current_dir(folder)
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
    run("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=sky");
    run("req -newkey rsa:2048 -nodes -keyout pod.key -out pod.csr -subj /CN=localhost");
    run("x509 -req -in pod.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out pod.pem -days 2 -extfile names");
}
