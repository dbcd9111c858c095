//! Reading a task definition: the file, what fills its placeholders, and what stands
//! in for services that this host does not have.

use crate::cli::Failure;
use crate::cli::output::tell;
use crate::diagnostic::{Diagnostic, Severity, line_column};
use crate::ecs::compose;
use crate::ecs::plan::TaskPlan;
use crate::ecs::{Reading, Values};
use crate::launch::{Directories, LaunchError, Options};
use clap::Args;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct DefinitionArguments {
    /// Task definition; `-` is standard input
    ///
    /// The input of RegisterTaskDefinition, the output of DescribeTaskDefinition, a CloudFormation
    /// template (JSON or YAML), a list of containers, the output of `terraform show -json`, or a Compose file as the
    /// ECS CLI takes it.
    file: PathBuf,
    /// With a Compose file: what ECS needs besides; `ecs-params.yml` beside the file, if there is one
    #[arg(long, value_name = "FILE")]
    ecs_params: Option<PathBuf>,
    /// Fill a placeholder of the file, or a parameter of its template; can be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Values for placeholders, from a JSON object or lines NAME=VALUE; --set goes before it
    #[arg(long, value_name = "FILE")]
    vars: Vec<PathBuf>,
    /// Which task definition of the file, if it has several: logical id, address or family
    #[arg(long, value_name = "NAME")]
    select: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct HostArguments {
    /// A directory that stands for a bucket of S3, or for a prefix in it; can be repeated
    #[arg(long, value_name = "arn:aws:s3:::BUCKET/=DIR")]
    s3: Vec<String>,
    /// A directory that stands for a file system (EFS, FSx, S3 Files), by its id or ARN; can be repeated
    #[arg(long, value_name = "fs-ID=DIR")]
    efs: Vec<String>,
    /// Let Docker send logs of the driver awslogs to CloudWatch, with credentials of its own;
    /// otherwise it keeps them on this host
    #[arg(long)]
    awslogs: bool,
    /// Where `sealdock task endpoint` listens, from which containers get credentials and metadata
    #[arg(long, env = "SEALDOCK_TASK_ENDPOINT", default_value = "http://169.254.170.2", value_name = "URL")]
    task_endpoint: String,
}

impl HostArguments {
    pub(crate) fn options(&self) -> Result<Options, Failure> {
        let directories = |pairs: &[String]| {
            let mut directories = Directories::default();
            for pair in pairs {
                directories.add(pair).map_err(|e| Failure::new(2, e))?;
            }
            Ok(directories)
        };
        Ok(Options {
            awslogs: self.awslogs,
            endpoint: self.task_endpoint.clone(),
            objects: directories(&self.s3)?,
            file_systems: directories(&self.efs)?,
            ..Options::default()
        })
    }
}

/// A task definition and its text, to show places in.
pub(crate) struct Source {
    path: String,
    pub(crate) text: String,
    /// Path and text of `ecs-params.yml`.
    params: Option<(String, String)>,
    reading: Reading,
}

impl DefinitionArguments {
    pub(crate) fn read(&self) -> Result<Source, Failure> {
        let mut values = Values::default();
        for path in &self.vars {
            let (path, text) = read(path)?;
            values.read(&text).map_err(|e| Failure::new(2, format!("`{path}`: {e}")))?;
        }
        for pair in &self.set {
            values.set(pair).map_err(|e| Failure::new(2, format!("--set: {e}")))?;
        }
        if let Some(region) = std::env::var("AWS_DEFAULT_REGION").ok().filter(|r| !r.is_empty()) {
            values.set_default("AWS::Region", &region);
        }
        let (path, text) = read(&self.file)?;
        let reading = Reading { values, select: self.select.clone(), ..Reading::default() };
        if compose::is_compose_file(&text) {
            return self.compose(path, text, reading);
        }
        let params = self.ecs_params.as_deref().map(read).transpose()?;
        let reading = Reading { ecs_params: params.as_ref().map(|(_, text)| text.clone()), ..reading };
        Ok(Source { path, text, params, reading })
    }

    /// What is to be run; its warnings are told.
    pub(crate) fn plan(&self) -> Result<(Source, TaskPlan), Failure> {
        let source = self.read()?;
        let plan = source.plan()?;
        if !plan.warnings.is_empty() {
            tell(source.render(&plan.warnings));
        }
        Ok((source, plan))
    }

    /// A Compose file comes with others: `ecs-params.yml` and files with variables.
    fn compose(&self, path: String, text: String, reading: Reading) -> Result<Source, Failure> {
        let absolute = std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone());
        let directory = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        let beside = directory.join("ecs-params.yml");
        let params = match &self.ecs_params {
            Some(path) => Some(read(path)?),
            None if beside.is_file() => Some(read(&beside)?),
            None => None,
        };
        let named = compose::env_files(&text).into_iter().map(|name| {
            let content =
                std::fs::read_to_string(directory.join(&name)).map_err(|e| format!("cannot be read: {e}"));
            (name, content)
        });
        let reading = Reading {
            files: named.collect(),
            ecs_params: params.as_ref().map(|(_, text)| text.clone()),
            project: directory.file_name().map(|name| name.to_string_lossy().into_owned()),
            directory: Some(directory.display().to_string()),
            ..reading
        };
        Ok(Source { path, text, params, reading })
    }
}

fn read(path: &Path) -> Result<(String, String), Failure> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(path).map(|content| bytes = content)
    };
    let path = path.display().to_string();
    read.map_err(|e| Failure::new(2, format!("cannot read `{path}`: {e}")))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        Failure::new(2, format!("`{path}` is not UTF-8 text: byte {}", e.utf8_error().valid_up_to()))
    })?;
    Ok((path, text))
}

impl Source {
    pub(crate) fn plan(&self) -> Result<TaskPlan, Failure> {
        let invalid = |mut found: Vec<Diagnostic>| {
            // What has to be done first, and nothing that is well as it is.
            found.retain(|d| d.severity != Severity::Note);
            found.sort_by_key(|d| d.severity != Severity::Error);
            Failure::new(2, self.render(&found))
        };
        crate::ecs::read(&self.text, &self.reading).map_err(invalid)?.plan().map_err(invalid)
    }

    pub(crate) fn render(&self, diagnostics: &[Diagnostic]) -> String {
        let parts = diagnostics.iter().map(|diagnostic| match (self.in_params(diagnostic), &self.params) {
            (Some(moved), Some((path, text))) => moved.render(path, text),
            _ => diagnostic.render(&self.path, &self.text),
        });
        parts.collect::<Vec<_>>().join("\n\n")
    }

    /// Line and column of a finding, in its file.
    pub(crate) fn place(&self, diagnostic: &Diagnostic) -> Option<(usize, usize)> {
        let start = |diagnostic: &Diagnostic| diagnostic.primary.as_ref().map(|label| label.span.start);
        match (self.in_params(diagnostic), &self.params) {
            (Some(moved), Some((_, text))) => Some(line_column(text, start(&moved)?)),
            _ => Some(line_column(&self.text, start(diagnostic)?)),
        }
    }

    /// A finding in `ecs-params.yml`, with its places there.
    fn in_params(&self, diagnostic: &Diagnostic) -> Option<Diagnostic> {
        diagnostic.moved_back(compose::offset(&self.text)).filter(|_| self.params.is_some())
    }

    pub(crate) fn failed(&self, error: &LaunchError) -> Failure {
        let found = error.diagnostics();
        let text = if found.is_empty() {
            error.to_string()
        } else {
            format!("{}\n\nerror: {error}", self.render(found))
        };
        Failure::new(error.exit_code(), text)
    }
}
