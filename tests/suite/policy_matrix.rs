//! The shipped policies, tried: every identity of `policies/` with every action on
//! every kind of resource, against a table in `tests/golden/policy_matrix.txt`.
//!
//! A difference fails. If it is meant, `UPDATE_GOLDEN=1 cargo test policy_matrix`
//! writes the table anew, and the review reads its difference.

use sealdock::arn::Arn;
use sealdock::policy::{ConditionKeys, Outcome, PolicySet, Request, Source, evaluate, evaluate_trust};
use sealdock::protocol::Operation;
use std::fmt::Write;
use std::path::Path;

const SECRETS: [&str; 3] = [
    "arn:aws:secretsmanager:us-east-1:111122223333:secret:app/db-a1B2c3",
    "arn:aws:secretsmanager:us-east-1:111122223333:secret:dev/db-a1B2c3",
    "arn:aws:secretsmanager:us-east-1:444455556666:secret:app/db-a1B2c3",
];
const PARAMETERS: [&str; 3] = [
    "arn:aws:ssm:us-east-1:111122223333:parameter/app/db",
    "arn:aws:ssm:us-east-1:111122223333:parameter/dev/db",
    "arn:aws:ssm:eu-west-1:111122223333:parameter/app/db",
];
const PATHS: [&str; 3] = [
    "arn:aws:ssm:us-east-1:111122223333:parameter/app",
    "arn:aws:ssm:us-east-1:111122223333:parameter/app/",
    "arn:aws:ssm:us-east-1:111122223333:parameter/",
];
const ALL_PARAMETERS: [&str; 1] = ["arn:aws:ssm:us-east-1:111122223333:*"];
const ROLES: [&str; 2] =
    ["arn:aws:iam::111122223333:role/ecsTaskExecutionRole", "arn:aws:iam::111122223333:role/admin"];
const FUNCTIONS: [&str; 1] = ["arn:aws:lambda:us-east-1:111122223333:function:rotate"];
const KEYS: [&str; 1] = ["arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"];
const USERS: [&str; 1] = ["arn:aws:iam::111122223333:user/developer"];

/// The actions that the broker asks about, with the resources it asks about.
const ACTIONS: &[(&str, &[&str])] = &[
    ("secretsmanager:CreateSecret", &SECRETS),
    ("secretsmanager:PutSecretValue", &SECRETS),
    ("secretsmanager:UpdateSecret", &SECRETS),
    ("secretsmanager:GetSecretValue", &SECRETS),
    ("secretsmanager:DescribeSecret", &SECRETS),
    ("secretsmanager:DeleteSecret", &SECRETS),
    ("secretsmanager:ListSecrets", &["*"]),
    ("secretsmanager:RestoreSecret", &SECRETS),
    ("secretsmanager:TagResource", &SECRETS),
    ("secretsmanager:UntagResource", &SECRETS),
    ("secretsmanager:ListSecretVersionIds", &SECRETS),
    ("secretsmanager:UpdateSecretVersionStage", &SECRETS),
    ("secretsmanager:GetResourcePolicy", &SECRETS),
    ("secretsmanager:ListResourcePolicies", &SECRETS),
    ("secretsmanager:PutResourcePolicy", &SECRETS),
    ("secretsmanager:DeleteResourcePolicy", &SECRETS),
    ("secretsmanager:ValidateResourcePolicy", &SECRETS),
    ("secretsmanager:ReplicateSecretToRegions", &SECRETS),
    ("secretsmanager:RemoveRegionsFromReplication", &SECRETS),
    ("secretsmanager:StopReplicationToReplica", &SECRETS),
    ("secretsmanager:RotateSecret", &SECRETS),
    ("secretsmanager:CancelRotateSecret", &SECRETS),
    ("lambda:InvokeFunction", &FUNCTIONS),
    ("secretsmanager:GetRandomPassword", &["*"]),
    ("secretsmanager:BatchGetSecretValue", &["*"]),
    ("ssm:PutParameter", &PARAMETERS),
    ("ssm:GetParameter", &PARAMETERS),
    ("ssm:GetParameters", &PARAMETERS),
    ("ssm:GetParameterHistory", &PARAMETERS),
    ("ssm:GetParametersByPath", &PATHS),
    ("ssm:DescribeParameters", &ALL_PARAMETERS),
    ("ssm:DeleteParameter", &PARAMETERS),
    ("ssm:DeleteParameters", &PARAMETERS),
    ("ssm:LabelParameterVersion", &PARAMETERS),
    ("ssm:UnlabelParameterVersion", &PARAMETERS),
    ("ssm:AddTagsToResource", &PARAMETERS),
    ("ssm:RemoveTagsFromResource", &PARAMETERS),
    ("ssm:ListTagsForResource", &PARAMETERS),
    ("kms:Decrypt", &KEYS),
    ("kms:Encrypt", &KEYS),
    ("kms:GenerateDataKey", &KEYS),
    ("kms:CancelKeyDeletion", &KEYS),
    ("kms:CreateAlias", &KEYS),
    ("kms:DeleteAlias", &KEYS),
    ("kms:DescribeKey", &KEYS),
    ("kms:DisableKey", &KEYS),
    ("kms:DisableKeyRotation", &KEYS),
    ("kms:EnableKey", &KEYS),
    ("kms:EnableKeyRotation", &KEYS),
    ("kms:GetKeyPolicy", &KEYS),
    ("kms:GetKeyRotationStatus", &KEYS),
    ("kms:ListKeyPolicies", &KEYS),
    ("kms:ListKeyRotations", &KEYS),
    ("kms:ListResourceTags", &KEYS),
    ("kms:PutKeyPolicy", &KEYS),
    ("kms:RotateKeyOnDemand", &KEYS),
    ("kms:ScheduleKeyDeletion", &KEYS),
    ("kms:TagResource", &KEYS),
    ("kms:UntagResource", &KEYS),
    ("kms:UpdateAlias", &KEYS),
    ("kms:UpdateKeyDescription", &KEYS),
    ("kms:CreateKey", &["*"]),
    ("kms:ListKeys", &["*"]),
    ("kms:ListAliases", &["*"]),
    ("ssm:PutResourcePolicy", &PARAMETERS),
    ("ssm:GetResourcePolicies", &PARAMETERS),
    ("ssm:DeleteResourcePolicy", &PARAMETERS),
    ("iam:PassRole", &ROLES),
    ("iam:CreateAccessKey", &USERS),
    ("iam:ListAccessKeys", &USERS),
    ("iam:UpdateAccessKey", &USERS),
    ("iam:DeleteAccessKey", &USERS),
    ("sealdock:RecordInjections", &["*"]),
    ("sealdock:GetTaskCredentials", &ROLES),
    ("sealdock:EndTask", &["*"]),
    ("sealdock:ListBindings", &["*"]),
    ("sealdock:ForgetBindings", &["*"]),
    ("sealdock:RevokeSessions", &["*", ROLES[0]]),
    ("sealdock:ListRevocations", &["*"]),
    ("sts:AssumeRole", &ROLES),
    ("sts:GetAccessKeyInfo", &["*"]),
    ("sts:DecodeAuthorizationMessage", &["*"]),
    ("cloudtrail:LookupEvents", &["*"]),
];

fn shipped() -> PolicySet {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut paths: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let source = |path: &std::path::PathBuf| Source {
        path: path.file_name().unwrap().to_string_lossy().into_owned(),
        text: std::fs::read_to_string(path).unwrap(),
    };
    PolicySet::load(&paths.iter().map(source).collect::<Vec<_>>()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What is known of the secret and of the use of its key: it rotates by the function, and Secrets
/// Manager asks for the key on the caller's behalf.
fn keys(action: &str) -> ConditionKeys {
    match action.split_once(':').map(|(service, _)| service) {
        Some("secretsmanager") => {
            ConditionKeys::new().with("secretsmanager:resource/AllowRotationLambdaArn", FUNCTIONS[0])
        }
        Some("kms") => ConditionKeys::new()
            .with("kms:ViaService", "secretsmanager.us-east-1.amazonaws.com")
            .with("kms:EncryptionContext:SecretARN", SECRETS[0]),
        _ => ConditionKeys::new(),
    }
}

fn table(set: &PolicySet) -> String {
    let mut principals: Vec<Arn> = set.identities().map(|identity| Arn::clone(&identity.arn)).collect();
    principals.push("arn:aws:iam::111122223333:root".parse().unwrap());
    principals.push("arn:aws:iam::111122223333:user/unknown".parse().unwrap());
    let mut table = String::new();
    for principal in &principals {
        writeln!(table, "{principal}").unwrap();
        for &(action, resources) in ACTIONS {
            for resource in resources {
                let keys = keys(action);
                let request = Request { keys: &keys, ..Request::new(principal, action, resource) };
                let decision = evaluate(set, &request);
                let word = match decision.outcome() {
                    Outcome::Allow => "allow",
                    Outcome::ExplicitDeny => "DENY",
                    Outcome::ImplicitDeny => "-",
                };
                let sids: Vec<&str> = decision.matched().iter().filter_map(|m| m.sid.as_deref()).collect();
                let line = format!("  {word:5} {action:29} {resource:66} {}", sids.join(", "));
                writeln!(table, "{}", line.trim_end()).unwrap();
            }
        }
    }
    table
}

#[test]
fn shipped_policies_permit_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/policy_matrix.txt");
    let found = table(&shipped());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let differences: Vec<String> = golden
        .lines()
        .map(|line| format!("- {line}"))
        .filter(|line| !found.lines().any(|f| f == &line[2..]))
        .chain(found.lines().filter(|f| !golden.lines().any(|g| g == *f)).map(|line| format!("+ {line}")))
        .collect();
    assert_eq!(golden, found, "differences:\n{}", differences.join("\n"));
}

/// The action that an operation is gated by; asking who one is, or for a session of one's own, needs none.
fn gate(operation: Operation) -> Option<String> {
    match operation {
        Operation::WhoAmI | Operation::GetCallerIdentity | Operation::GetSessionToken => None,
        Operation::CreateTaskSession | Operation::GrantTaskRole | Operation::ResolveInjections => {
            Some("iam:PassRole".into())
        }
        Operation::CreateAccessKey
        | Operation::ListAccessKeys
        | Operation::UpdateAccessKey
        | Operation::DeleteAccessKey => Some(format!("iam:{}", operation.name())),
        Operation::RecordCachedRead => Some(Operation::GetSecretValue.action()),
        operation => Some(operation.action()),
    }
}

#[test]
fn the_table_covers_every_operation() {
    let gates: Vec<String> = Operation::ALL.iter().filter_map(|&operation| gate(operation)).collect();
    let missing: Vec<_> =
        gates.iter().filter(|gate| !ACTIONS.iter().any(|(action, _)| action == gate)).collect();
    assert!(missing.is_empty(), "add rows for {missing:?}");
}

#[test]
fn shipped_policies_have_no_warnings_and_one_role_for_each_service() {
    let set = shipped();
    assert!(set.warnings().is_empty(), "{}", set.summary());
    let role: Arn = ROLES[0].parse().unwrap();
    let function: Arn = "arn:aws:iam::111122223333:role/rotationFunctionRole".parse().unwrap();
    let container: Arn = "arn:aws:iam::111122223333:role/rotationTaskRole".parse().unwrap();
    let trusts = |role, service| evaluate_trust(&set, role, service, &ConditionKeys::new()).is_allowed();
    assert!(trusts(&role, "ecs-tasks.amazonaws.com") && !trusts(&role, "lambda.amazonaws.com"));
    assert!(trusts(&function, "lambda.amazonaws.com") && !trusts(&function, "ecs-tasks.amazonaws.com"));
    assert!(trusts(&container, "ecs-tasks.amazonaws.com") && !trusts(&container, "lambda.amazonaws.com"));
    let summary = set.summary();
    assert!(summary.starts_with("6 identities\n"), "{summary}");
    assert!(summary.contains("4 statements in 2 policies, trusts ecs-tasks.amazonaws.com"), "{summary}");
}
