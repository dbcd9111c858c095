//! The output of `aws iam get-account-authorization-details` of an account that does more
//! than secrets: `tests/vectors/policy/export.json`, with every field that the API has. It
//! must load as it is, and mean what it means on AWS.

use sealdock::arn::Arn;
use sealdock::policy::{
    Circumstances, ConditionKeys, Outcome, PolicySet, Request, Session, Source, evaluate, evaluate_trust,
};

fn set() -> PolicySet {
    let text = include_str!("../vectors/policy/export.json").to_owned();
    PolicySet::load(&[Source { path: "export.json".into(), text }])
        .unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn an_export_loads_whole() {
    let set = set();
    let arns: Vec<String> = set.identities().map(|identity| identity.arn.to_string()).collect();
    assert_eq!(
        arns,
        [
            "arn:aws:iam::123456789012:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS",
            "arn:aws:iam::123456789012:role/ci/deploy",
            "arn:aws:iam::123456789012:role/web",
            "arn:aws:iam::123456789012:user/Alice",
            "arn:aws:iam::123456789012:user/division_abc/Bob",
        ]
    );
    assert!(set.warnings().is_empty(), "{}", set.summary());
    let web = set.identity("arn:aws:iam::123456789012:role/web").unwrap();
    assert_eq!(web.tags, [("team".to_owned(), "web".to_owned())]);
}

fn outcome(principal: &str, action: &str, resource: &str, circumstances: Circumstances<'_>) -> Outcome {
    let principal: Arn = principal.parse().unwrap();
    evaluate(&set(), &Request { circumstances, ..Request::new(&principal, action, resource) }).outcome()
}

#[test]
fn an_export_means_what_it_means_on_aws() {
    let alice = "arn:aws:iam::123456789012:user/Alice";
    let parameter = "arn:aws:ssm:us-east-1:123456789012:parameter/home/Alice/key";
    let secure = Circumstances { secure_transport: Some(true), ..Circumstances::default() };
    let plain = Circumstances { secure_transport: Some(false), ..Circumstances::default() };
    assert_eq!(outcome(alice, "ssm:GetParameter", parameter, secure), Outcome::Allow);
    // The group denies what does not come over TLS.
    assert_eq!(outcome(alice, "ssm:GetParameter", parameter, plain), Outcome::ExplicitDeny);
    let other = "arn:aws:ssm:us-east-1:123456789012:parameter/home/Bob/key";
    assert_eq!(outcome(alice, "ssm:GetParameter", other, secure), Outcome::ImplicitDeny);
    // Bob is an administrator within a boundary.
    let bob = "arn:aws:iam::123456789012:user/division_abc/Bob";
    let secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-a1B2c3";
    assert_eq!(outcome(bob, "secretsmanager:DescribeSecret", secret, secure), Outcome::Allow);
    assert_eq!(outcome(bob, "secretsmanager:GetSecretValue", secret, secure), Outcome::ImplicitDeny);
    assert_eq!(outcome(bob, "s3:GetObject", "arn:aws:s3:::bucket/key", secure), Outcome::ImplicitDeny);
}

#[test]
fn trust_policies_of_an_export_have_their_conditions() {
    let set = set();
    let web: Arn = "arn:aws:iam::123456789012:role/web".parse().unwrap();
    let keys = ConditionKeys::new().with("aws:SourceAccount", "123456789012");
    assert!(evaluate_trust(&set, &web, "ecs-tasks.amazonaws.com", &keys).is_allowed());
    assert!(!evaluate_trust(&set, &web, "ecs-tasks.amazonaws.com", &ConditionKeys::new()).is_allowed());

    let deploy = set.identity("arn:aws:iam::123456789012:role/ci/deploy").unwrap();
    let provider: Arn =
        "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com".parse().unwrap();
    let role = deploy.arn.to_string();
    let assumed = |subject: &str| {
        let keys = ConditionKeys::new()
            .with("token.actions.githubusercontent.com:aud", "sts.amazonaws.com")
            .with("token.actions.githubusercontent.com:sub", subject);
        let policy = deploy.trust_policy();
        let request = Request {
            policy,
            keys: &keys,
            ..Request::new(&provider, "sts:AssumeRoleWithWebIdentity", &role)
        };
        evaluate(&set, &request).is_allowed()
    };
    assert!(assumed("repo:acme/shop:ref:refs/heads/main") && !assumed("repo:evil/shop:ref:refs/heads/main"));

    let session = Session {
        arn: "arn:aws:sts::123456789012:assumed-role/deploy/run",
        name: "run",
        ..Session::default()
    };
    let request = Request {
        session: Some(&session),
        ..Request::new(
            &deploy.arn,
            "secretsmanager:GetSecretValue",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:ci/x-a1B2c3",
        )
    };
    assert!(evaluate(&set, &request).is_allowed());
}
