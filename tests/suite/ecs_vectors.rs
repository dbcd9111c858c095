//! Runs `tests/vectors/ecs.json`: how Amazon ECS resolves, renders and merges
//! secrets, against the pure part of a launch. A store in memory answers the calls
//! of each plan; vectors that need a live broker are left to the test that has one.

use sealdock::diagnostic::{Diagnostic, Severity};
use sealdock::ecs::environment::{Emptiness, Setting, merge_environment, merge_log_options};
use sealdock::ecs::fetched::{FetchError, Fetched, FetchedParameter, FetchedSecret};
use sealdock::ecs::firelens::{Metadata, config, router};
use sealdock::ecs::plan::{LogPlan, ParameterBatch, SecretRead};
use sealdock::ecs::{self, Injection, TaskPlan, environment_file};
use sealdock::secret::SecretValue;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "111122223333";

#[test]
fn every_vector_holds() {
    let file: Value = serde_json::from_str(include_str!("../vectors/ecs.json")).unwrap();
    let mut numbers = BTreeSet::new();
    let mut failures = Vec::new();
    for vector in file["vectors"].as_array().unwrap() {
        let number = vector["number"].as_u64().unwrap();
        numbers.insert(number);
        assert!(vector["applies"] == true || vector["why"].is_string(), "vector {number} says no why");
        let outcome = match vector["runner"].as_str().unwrap() {
            "launch" => launch(vector),
            "registration" => registration(vector),
            "environment" => environment(vector),
            "log options" => log_options(vector),
            "firelens" => firelens(vector),
            "broker" => Ok(()),
            other => Err(format!("unknown runner {other}")),
        };
        if let Err(reason) = outcome {
            failures.push(format!("vector {number}: {reason}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(numbers, (1..=103).collect(), "each vector is in the file");
}

fn launch(vector: &Value) -> Result<(), String> {
    let containers = vector["references"].as_object().unwrap().iter().map(|(name, references)| {
        let secrets = references.as_object().unwrap().iter();
        let secrets: Vec<Value> = secrets.map(|(n, r)| json!({"name": n, "valueFrom": r})).collect();
        json!({"name": name, "image": "app", "memory": 64, "secrets": secrets})
    });
    let definition = task(containers.collect(), &json!({}));
    let expect = &vector["expect"];
    let plan = match ecs::parse(&definition) {
        Ok(task) => task.plan().unwrap(),
        Err(refused) => return compare_refusal(&refused, expect),
    };
    if expect["refused"].is_array() {
        return Err("was accepted".into());
    }
    compare_calls(&plan, expect)?;
    match Injection::resolve(&plan, &answer(&plan, &vector["store"])) {
        Ok(injection) => compare_values(injection, expect),
        Err(unresolved) => {
            let texts: Vec<String> = unresolved.iter().map(ToString::to_string).collect();
            let wanted = expect["errors"].as_array().ok_or_else(|| format!("failed: {texts:?}"))?;
            let holds = |text: &String, parts: &Value| {
                parts.as_array().unwrap().iter().all(|part| text.contains(part.as_str().unwrap()))
            };
            let all = texts.len() == wanted.len() && texts.iter().zip(wanted).all(|(t, w)| holds(t, w));
            if all { Ok(()) } else { Err(format!("errors {texts:#?}")) }
        }
    }
}

fn registration(vector: &Value) -> Result<(), String> {
    let mut container = json!({"name": "app", "image": "app", "memory": 64});
    merge(&mut container, &vector["container"]);
    match ecs::parse(&task(vec![container], &vector["task"])) {
        Ok(_) => Err("was accepted".into()),
        Err(refused) => compare_refusal(&refused, &vector["expect"]),
    }
}

fn environment(vector: &Value) -> Result<(), String> {
    let image: Vec<String> = list(&vector["image"]).map(|entry| entry.as_str().unwrap().to_owned()).collect();
    let files: Vec<Vec<(String, String)>> =
        list(&vector["files"]).map(|text| environment_file::parse(text.as_str().unwrap()).unwrap()).collect();
    let merged = merge_environment(
        &pairs(&vector["environment"]),
        &pairs(&vector["launcher"]),
        pairs(&vector["secrets"]),
        &files,
        &image,
        vector["region"].as_str(),
    );
    compare_merged(merged, &vector["expect"])
}

fn log_options(vector: &Value) -> Result<(), String> {
    let options = vector["options"].as_object().cloned().unwrap_or_default();
    let log = LogPlan {
        driver: vector["driver"].as_str().unwrap().to_owned(),
        options: options.into_iter().map(|(n, v)| (n, v.as_str().unwrap().to_owned())).collect(),
        secret_options: Vec::new(),
        routed_options: Vec::new(),
    };
    let secrets: Vec<(String, Secret)> =
        pairs(&vector["secrets"]).into_iter().map(|(name, value)| (name, Secret(value))).collect();
    let merged = merge_log_options(&log, secrets, "app", "task").into_iter();
    let plain = merged.map(|(name, setting)| match setting {
        Setting::Plain(value) => (name, Setting::Plain(value)),
        Setting::Secret(Secret(value)) => (name, Setting::Secret(value)),
    });
    compare_merged(plain.collect(), &vector["expect"])
}

fn firelens(vector: &Value) -> Result<(), String> {
    let containers = list(&vector["containers"]).map(|fields| {
        let mut container = json!({"image": "app", "memory": 64});
        merge(&mut container, fields);
        container
    });
    let plan = ecs::parse(&task(containers.collect(), &json!({}))).unwrap().plan().unwrap();
    let (router, firelens) = router(&plan).ok_or("there is no router")?;
    let secrets: Map<String, Value> =
        router.secrets.iter().map(|s| (s.name.clone(), s.text.clone().into())).collect();
    let metadata =
        Metadata { cluster: "default", task_arn: "arn:aws:ecs:r:1:task/default/t", task_definition: "f:1" };
    let text = config(&plan, firelens, metadata);
    let expect = &vector["expect"];
    let has = |name: &str| {
        list(&expect[name]).map(|part| text.contains(part.as_str().unwrap())).collect::<Vec<_>>()
    };
    let routed = plan.containers.iter().filter(|c| c.name == "app").flat_map(|c| &c.log);
    let left = routed.filter(|log| log.driver == "awsfirelens").any(|log| !log.secret_options.is_empty());
    let right = expect["router_secrets"] == Value::Object(secrets) && !left;
    let right = right
        && has("config").into_iter().all(|part| part)
        && !has("config_lacks").into_iter().any(|part| part);
    if right { Ok(()) } else { Err(text) }
}

/// Stands for a secret where the text is to be looked at.
struct Secret(String);

impl Emptiness for Secret {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A correct task definition with these containers and fields.
fn task(containers: Vec<Value>, fields: &Value) -> String {
    let mut task = json!({
        "family": "vectors",
        "executionRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/exec"),
        "containerDefinitions": containers,
    });
    merge(&mut task, fields);
    task.to_string()
}

fn merge(into: &mut Value, fields: &Value) {
    let into = into.as_object_mut().unwrap();
    into.extend(fields.as_object().cloned().unwrap_or_default());
}

/// Answers the calls of a plan as the services would.
fn answer(plan: &TaskPlan, store: &Value) -> Fetched {
    let mut fetched = Fetched::new(REGION);
    for read in &plan.reads.secrets {
        fetched.secret(read.clone(), answer_secret(read, store));
    }
    for batch in &plan.reads.parameters {
        fetched.parameters(batch, answer_parameters(batch, store));
    }
    fetched
}

fn answer_secret(read: &SecretRead, store: &Value) -> Result<FetchedSecret, FetchError> {
    let refused = |code: &str, message: &str| service_error(400, code, message);
    let found = list(&store["secrets"]).find_map(|secret| {
        let region = secret["region"].as_str().unwrap_or(REGION);
        let partial =
            format!("arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{}", secret["name"].as_str()?);
        let arn = match (&secret["arn"], &secret["suffix"]) {
            (Value::String(arn), _) => arn.clone(),
            (_, suffix) => format!("{partial}-{}", suffix.as_str()?),
        };
        let named = read.secret_id == arn || read.secret_id == partial;
        (named && read.region == region).then_some((arn, secret))
    });
    let missing = "Secrets Manager can't find the specified secret.";
    let (arn, secret) = found.ok_or_else(|| refused("ResourceNotFoundException", missing))?;
    if let Some(error) = secret.get("error") {
        return Err(given_error(error));
    }
    let stage = read.version_stage.as_deref();
    let wanted = |version: &&Value| match (&read.version_id, stage) {
        (Some(id), _) => version["id"] == id.as_str(),
        (None, stage) => list(&version["stages"]).any(|s| s == stage.unwrap_or("AWSCURRENT")),
    };
    let version = list(&secret["versions"])
        .find(wanted)
        .ok_or_else(|| refused("ResourceNotFoundException", missing))?;
    if stage.is_some_and(|stage| list(&version["stages"]).all(|s| s != stage)) {
        let message = "You provided a VersionStage that is not associated to the provided VersionId.";
        return Err(refused("InvalidRequestException", message));
    }
    let text = version["text"].as_str().map(|text| SecretValue::from(text.to_owned()));
    Ok(FetchedSecret { arn, version_id: version["id"].as_str().unwrap().to_owned(), text })
}

fn answer_parameters(
    batch: &ParameterBatch,
    store: &Value,
) -> Result<HashMap<String, FetchedParameter>, FetchError> {
    assert!((1..=10).contains(&batch.names.len()), "GetParameters takes one to ten names");
    if let Some(error) = store.get("parameters_error") {
        return Err(given_error(error));
    }
    let region = batch.region.as_deref().unwrap_or(REGION);
    let here = |p: &&Value| {
        let name = p["name"].as_str().unwrap();
        p["region"].as_str().unwrap_or(REGION) == region && batch.names.iter().any(|n| n == name)
    };
    let found = list(&store["parameters"]).filter(here).map(|parameter| {
        let name = parameter["name"].as_str().unwrap();
        let answered = parameter["answered_as"].as_str().unwrap_or(name);
        let value = SecretValue::from(parameter["value"].as_str().unwrap().to_owned());
        let arn = format!("arn:aws:ssm:{region}:{ACCOUNT}:parameter/{}", name.trim_start_matches('/'));
        (answered.to_owned(), FetchedParameter { arn, version: "1".into(), value })
    });
    Ok(found.collect())
}

fn given_error(error: &Value) -> FetchError {
    let status = u16::try_from(error["status"].as_u64().unwrap()).unwrap();
    service_error(status, error["code"].as_str().unwrap(), error["message"].as_str().unwrap())
}

fn service_error(status: u16, code: &str, message: &str) -> FetchError {
    FetchError::Service {
        status,
        code: code.to_owned(),
        message: message.to_owned(),
        request_id: "req-1".to_owned(),
    }
}

fn compare_refusal(refused: &[Diagnostic], expect: &Value) -> Result<(), String> {
    let errors: Vec<_> = refused.iter().filter(|d| d.severity == Severity::Error).collect();
    let texts: Vec<_> = errors.iter().map(|d| (&d.message, &d.help)).collect();
    let wanted = expect["refused"].as_array().ok_or_else(|| format!("refused: {texts:?}"))?;
    let said = |d: &Diagnostic, text: &Value| d.message.contains(text.as_str().unwrap());
    let all = errors.len() == wanted.len() && errors.iter().zip(wanted).all(|(d, w)| said(d, w));
    let placed = errors.iter().all(|d| d.primary.is_some());
    let helped = expect["help"]
        .as_str()
        .is_none_or(|help| errors.iter().any(|d| d.help.as_ref().is_some_and(|text| text.contains(help))));
    if all && placed && helped { Ok(()) } else { Err(format!("refused {texts:#?}")) }
}

fn compare_calls(plan: &TaskPlan, expect: &Value) -> Result<(), String> {
    let secrets = plan.reads.secrets.iter().map(|read| {
        let mut call = Map::new();
        call.insert("SecretId".into(), read.secret_id.clone().into());
        call.insert("Region".into(), read.region.clone().into());
        call.extend(read.version_stage.clone().map(|s| ("VersionStage".to_owned(), s.into())));
        call.extend(read.version_id.clone().map(|id| ("VersionId".to_owned(), id.into())));
        Value::Object(call)
    });
    let parameters = plan.reads.parameters.iter().map(|batch| {
        let mut call = Map::new();
        call.extend(batch.region.clone().map(|region| ("Region".to_owned(), region.into())));
        call.insert("Names".into(), batch.names.clone().into());
        Value::Object(call)
    });
    for (kind, calls) in
        [("secret_calls", secrets.collect::<Value>()), ("parameter_calls", parameters.collect())]
    {
        if expect.get(kind).is_some_and(|wanted| *wanted != calls) {
            return Err(format!("{kind}: {calls}"));
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the test compares the text for the container")]
fn compare_values(injection: Injection, expect: &Value) -> Result<(), String> {
    let warnings: Vec<String> = injection.warnings().into_iter().map(|d| d.message).collect();
    let wanted: Vec<&Value> = list(&expect["warnings"]).collect();
    let warned = warnings.len() == wanted.len()
        && warnings.iter().zip(&wanted).all(|(text, part)| text.contains(part.as_str().unwrap()));
    if !warned {
        return Err(format!("warnings {warnings:?}"));
    }
    let mut values = Map::new();
    for container in injection.into_containers() {
        for (name, value) in container.environment {
            let text = String::from_utf8(value.expose().to_vec()).unwrap();
            values.insert(format!("{}.{name}", container.container), text.into());
        }
    }
    let values = Value::Object(values);
    if expect["values"] == values { Ok(()) } else { Err(format!("values {values}")) }
}

fn compare_merged(merged: Vec<(String, Setting<String>)>, expect: &Value) -> Result<(), String> {
    let count = merged.len();
    let text = |setting| match setting {
        Setting::Plain(value) | Setting::Secret(value) => Value::String(value),
    };
    let merged: Map<String, Value> = merged.into_iter().map(|(n, s)| (n, text(s))).collect();
    let merged = Value::Object(merged);
    let once = merged.as_object().is_some_and(|map| map.len() == count);
    if once && merged == *expect { Ok(()) } else { Err(format!("merged {merged}")) }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    let text = |pair: &Value, index: usize| pair[index].as_str().unwrap().to_owned();
    list(value).map(|pair| (text(pair, 0), text(pair, 1))).collect()
}
