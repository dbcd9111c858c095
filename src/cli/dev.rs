//! `sealdock dev`: a broker in one line, for newcomers, scripts and test suites.
//!
//! Everything is on as everywhere: encryption, signatures, policies, the log.
//! Only the set-up is done for the user: a data directory (scratch, unless given),
//! a user `dev` that may do everything, and an access key for it.

use super::output::{say, tell};
use super::{Failure, init, running};
use crate::broker::{Function, Grant, Target};
use crate::config::{self, Config, UnlockFrom};
use crate::server::{Bind, PlainLoopback};
use clap::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct DevArguments {
    /// Loopback address to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Account id [default: 111122223333, or that of DIR]
    #[arg(long, value_parser = init::account)]
    account: Option<String>,
    /// Region [default: us-east-1, or that of DIR]
    #[arg(long, value_parser = init::region)]
    region: Option<String>,
    /// Keep the vault in this directory instead of a scratch one that is removed at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What stands for a Lambda function: a loopback URL that takes invocations, or a shell command.
    /// May be given several times. What failing functions say is in `functions.log` of the data directory
    #[arg(long = "function", value_name = "ARN=URL|COMMAND", value_parser = function)]
    functions: Vec<Stand>,
}

/// What stands for the function with this ARN.
#[derive(Clone, Debug)]
struct Stand {
    arn: String,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Url(String),
    Command(String),
}

/// An ARN holds no equals sign.
fn function(text: &str) -> Result<Stand, String> {
    let (arn, what) = text.split_once('=').ok_or("write ARN=URL or ARN=COMMAND")?;
    config::check_function_arn(arn)?;
    let what = if what.starts_with("http://") || what.starts_with("https://") {
        config::check_url(what, false)?;
        What::Url(what.to_owned())
    } else if what.trim().is_empty() {
        return Err("the command is empty".into());
    } else {
        What::Command(what.to_owned())
    };
    Ok(Stand { arn: arn.to_owned(), what })
}

/// The role of the functions that are given on the command line.
const FUNCTION_ROLE: &str = "rotationFunctionRole";
/// Longest time of a step of theirs.
const FUNCTION_TIME: Duration = Duration::from_secs(60);

/// A directory that is removed again.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn run(arguments: &DevArguments) -> Result<ExitCode, Failure> {
    let address = PlainLoopback::new(arguments.listen).map_err(|e| Failure::new(2, e))?;
    let scratch;
    let data = match &arguments.data {
        Some(data) => data.as_path(),
        None => {
            scratch = Scratch(scratch_directory()?);
            scratch.0.as_path()
        }
    };
    let mut config = prepare(data, arguments)?;
    // One user stands for everybody, so that policies written for production name roles that are not here.
    config.other_principals = true;
    let role = format!("arn:aws:iam::{}:role/{FUNCTION_ROLE}", config.account);
    config.functions.extend(arguments.functions.iter().map(|stand| Function {
        arn: stand.arn.clone(),
        timeout: FUNCTION_TIME,
        log: Some(data.join("functions.log")),
        target: match &stand.what {
            What::Url(url) => Target::Http { url: url.clone(), ca_pem: None },
            What::Command(command) => Target::Command {
                command: ["/bin/sh", "-c", command].map(str::to_owned).to_vec(),
                grant: Grant { role: role.clone(), reads: Vec::new() },
            },
        },
    }));
    let broker = running::open(&config, false)?;
    let principal = format!("arn:aws:iam::{}:user/dev", config.account);
    if !broker.knows(&principal) {
        let place = config.policies.display();
        return Err(Failure::new(
            2,
            format!("the policies in `{place}` have no user `dev`; add one, or use another --data"),
        ));
    }
    let needs_role = arguments.functions.iter().any(|stand| matches!(stand.what, What::Command(_)));
    if needs_role && !broker.knows(&role) {
        let place = config.policies.display();
        let text = format!(
            "the policies in `{place}` have no role `{FUNCTION_ROLE}` for --function; add one that trusts \
             lambda.amazonaws.com, or use another --data"
        );
        return Err(Failure::new(2, text));
    }
    // The secret half of a key cannot be shown twice, so each start makes a new one.
    for old in broker.vault().access_keys().list().iter().filter(|key| key.record.principal == principal) {
        broker.vault().access_keys().delete(&old.record.id).map_err(|e| Failure::new(3, e))?;
    }
    let (key, secret) = broker.create_access_key(&principal).map_err(|e| Failure::new(3, e))?;
    let binds = vec![Bind::Tcp(address), Bind::unix(data.join("sealdock.sock"))];
    running::serve(&config, &broker, binds, running::Hangup::Stops, |ready| {
        let url = ready.urls.first().cloned().unwrap_or_default();
        #[expect(
            clippy::disallowed_methods,
            reason = "the secret key of the development user is printed for its user, this once"
        )]
        let secret = String::from_utf8_lossy(secret.expose()).into_owned();
        say(format_args!("export AWS_ENDPOINT_URL={url}"));
        say(format_args!("export AWS_ACCESS_KEY_ID={}", key.id));
        say(format_args!("export AWS_SECRET_ACCESS_KEY={secret}"));
        say(format_args!("export AWS_DEFAULT_REGION={}", config.region));
        tell(format_args!(
            "ready: policies in {}, audit log in {}, socket {}; stop with Ctrl-C",
            config.policies.display(),
            config.audit.display(),
            data.join("sealdock.sock").display(),
        ));
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Makes the data directory, or opens the one that is there.
fn prepare(data: &Path, arguments: &DevArguments) -> Result<Config, Failure> {
    if !data.join(config::FILE).exists() {
        let plan = init::Plan {
            account: arguments.account.as_deref().unwrap_or("111122223333"),
            region: arguments.region.as_deref().unwrap_or("us-east-1"),
            tls: None,
            server_names: &[],
            policies: include_str!("dev-policy.json"),
        };
        return init::create(data, &plan, &UnlockFrom::KeyFile(data.join("root.key")));
    }
    let config = Config::load(data).map_err(|e| Failure::new(2, e))?;
    for (wanted, has, what) in
        [(&arguments.account, &config.account, "account"), (&arguments.region, &config.region, "region")]
    {
        if wanted.as_ref().is_some_and(|w| w != has) {
            let text = format!(
                "the vault in `{}` has {what} {has}; leave out --{what} or use another --data",
                data.display()
            );
            return Err(Failure::new(2, text));
        }
    }
    Ok(config)
}

fn scratch_directory() -> Result<PathBuf, Failure> {
    let path = std::env::temp_dir().join(format!("sealdock-dev-{}", uuid::Uuid::new_v4().simple()));
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
        .create(&path)
        .map_err(|e| Failure::new(2, format!("cannot make `{}`: {e}", path.display())))?;
    Ok(path)
}
