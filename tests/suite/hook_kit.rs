//! A broker with two secrets and a Docker daemon with the runtime hook.

use crate::docker_kit::{Broker, Daemon, IMAGE, ROLE, files_with, sealdock};
use std::path::Path;
use std::process::Output;

pub(crate) const FIRST: &str = "CANARY-first-5b1f";
pub(crate) const SECOND: &str = "CANARY-second-c07d";
pub(crate) const TOKEN: &str = "CANARY-token-9e42";

/// `app/db` is a secret with a password, `/app/token` a parameter.
pub(crate) struct Setting {
    pub(crate) broker: Option<Broker>,
    pub(crate) daemon: Daemon,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) secret: String,
}

impl Setting {
    pub(crate) fn new(hook_options: &[&str]) -> Self {
        Self::with(hook_options, &serde_json::json!({}))
    }

    /// With more members of the daemon's configuration.
    pub(crate) fn with(hook_options: &[&str], daemon: &serde_json::Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let broker = Broker::start(&directory.path().join("vault"));
        let daemon = Daemon::start(&broker.socket(), hook_options, daemon);
        let secret = broker.secret("app/db", &format!(r#"{{"password":"{FIRST}","user":"u"}}"#));
        broker.parameter("/app/token", TOKEN);
        Self { broker: Some(broker), daemon, directory, secret }
    }

    pub(crate) fn broker(&self) -> &Broker {
        self.broker.as_ref().unwrap()
    }

    pub(crate) fn reference(&self) -> String {
        format!("{}:password::", self.secret)
    }

    /// Makes another password the current one.
    pub(crate) fn rotate(&self, password: &str) {
        self.broker().rotate(&self.secret, &format!(r#"{{"password":"{password}"}}"#));
    }

    /// Runs a container in the background, with these words of `docker run`.
    pub(crate) fn sleeper(&self, name: &str, words: &[&str], image: &str) -> Output {
        let begin = ["run", "-d", "--name", name, "--network", "none", "--runtime", "sealdock"];
        let words: Vec<&str> =
            begin.into_iter().chain(words.iter().copied()).chain([image, "sleep", "600"]).collect();
        self.daemon.try_docker(&words)
    }

    /// A container that sleeps with the secret in `DB`.
    pub(crate) fn try_run(&self, name: &str) -> Output {
        let reference = format!("DB=sealdock:{}", self.reference());
        let role = format!("SEALDOCK_EXECUTION_ROLE={ROLE}");
        self.sleeper(name, &["-e", &reference, "-e", &role], IMAGE)
    }

    pub(crate) fn run(&self, name: &str) {
        let output = self.try_run(name);
        assert!(output.status.success(), "{}", errors(&output));
    }

    pub(crate) fn has(&self, container: &str, entry: &str) -> bool {
        self.daemon.environment(container).iter().any(|e| e == entry)
    }

    /// `sealdock bindings`: exit code and output.
    pub(crate) fn bindings(&self, extra: &[&str]) -> (Option<i32>, String) {
        let (host, socket) = (self.daemon.host(), self.broker().socket());
        let place = ["bindings", "--socket", socket.to_str().unwrap(), "--docker-host", &*host];
        let output = sealdock(&place.iter().chain(extra).copied().collect::<Vec<_>>());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!text.contains("CANARY"), "{text}");
        (output.status.code(), text)
    }

    /// Neither in what Docker says of the container nor in any file of the daemon or under `/run`.
    pub(crate) fn assert_value_is_nowhere(&self, container: &str) {
        let inspected = self.daemon.docker(&["inspect", container]);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let events = self.daemon.docker(&["events", "--since", "1h", "--until", &format!("{}", now + 1)]);
        assert!(events.contains("create"), "the search looks at no events");
        assert!(self.daemon.files() > 20, "the search looks in the wrong place");
        for canary in [FIRST, SECOND, TOKEN] {
            assert!(!inspected.contains(canary), "docker inspect shows {canary}");
            assert!(!events.contains(canary), "docker events shows {canary}");
            let mut files = self.daemon.files_with(canary);
            files.extend(files_with(Path::new("/run"), canary));
            assert!(files.is_empty(), "{canary} is in {files:?}");
        }
    }
}

/// What a command said on standard error.
pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command that has to fail said on standard error.
pub(crate) fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "it did not fail: {}", String::from_utf8_lossy(&output.stdout));
    errors(output)
}
