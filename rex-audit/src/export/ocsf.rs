//! Entries as events of the Open Cybersecurity Schema Framework, for programs that collect events from many sources.
//!
//! Decisions and outcomes are events of the class API Activity (6003), the start and the end of a run of Application Lifecycle (6002).

use rex_core::{ACTIONS, Timestamp, uid};
use serde::Serialize;

use crate::{Entry, moment};

/// The version of the schema.
pub const VERSION: &str = "1.3.0";

/// An event, as it is serialized.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OcsfEvent<'a> {
    activity_id: u32,
    activity_name: &'static str,
    category_uid: u32,
    category_name: &'static str,
    class_uid: u32,
    class_name: &'static str,
    type_uid: u32,
    time: i64,
    severity_id: u32,
    severity: &'static str,
    status_id: u32,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    metadata: OcsfMetadata<'a>,
    actor: OcsfActor<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<OcsfApi<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_endpoint: Option<OcsfEndpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<OcsfProduct>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<OcsfResource<'a>>,
    unmapped: UnmappedFields<'a>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OcsfMetadata<'a> {
    version: &'static str,
    product: OcsfProduct,
    uid: String,
    correlation_uid: &'a str,
    sequence: u64,
    original_time: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    labels: &'a [std::borrow::Cow<'a, str>],
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OcsfProduct {
    name: &'static str,
    vendor_name: &'static str,
    version: &'static str,
}

const REX: OcsfProduct = OcsfProduct { name: "Rex", vendor_name: "Rex", version: env!("CARGO_PKG_VERSION") };

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OcsfActor<'a> {
    user: OcsfUser<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorizations: Vec<OcsfAuthorization<'a>>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OcsfUser<'a> {
    name: String,
    uid: &'a str,
    type_id: u32,
    #[serde(rename = "type")]
    kind: &'a str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OcsfAuthorization<'a> {
    decision: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<OcsfPolicy<'a>>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OcsfPolicy<'a> {
    uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    desc: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OcsfApi<'a> {
    operation: &'a str,
    service: OcsfName,
    request: OcsfUid,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<OcsfResponse<'a>>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OcsfName {
    name: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OcsfUid {
    uid: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OcsfResponse<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OcsfEndpoint {
    name: &'static str,
    svc_name: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OcsfResource<'a> {
    uid: &'a str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

/// Fields that the schema has no place for.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct UnmappedFields<'a> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    attributes: &'a std::collections::BTreeMap<String, rex_core::Value>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    context: &'a std::collections::BTreeMap<String, rex_core::Value>,
}

/// The class, the id and the name of an activity.
struct OcsfActivity {
    class: (u32, &'static str),
    id: u32,
    name: &'static str,
}

const API: (u32, &str) = (6_003, "API Activity");
const LIFECYCLE: (u32, &str) = (6_002, "Application Lifecycle");

impl<'a> OcsfEvent<'a> {
    /// Creates the event of an entry.
    #[must_use]
    pub fn new(entry: &'a Entry<'a>) -> Self {
        let activity = activity(entry);
        let is_api = activity.class == API;
        let timed = matches!(&*entry.event, "outcome" | "end");
        let failed = entry.is_denial() || timed && entry.result.as_deref() != Some("SUCCESS");
        let (status_id, status) = if failed { (2, "Failure") } else { (1, "Success") };
        let (severity_id, severity) = match (entry.is_denial(), failed) {
            (true, _) => (3, "Medium"),
            (_, true) => (2, "Low"),
            _ => (1, "Informational"),
        };
        let (class_uid, class_name) = activity.class;
        Self {
            activity_id: activity.id,
            activity_name: activity.name,
            category_uid: 6,
            category_name: "Application Activity",
            class_uid,
            class_name,
            type_uid: class_uid * 100 + activity.id,
            time: moment::rfc3339(&entry.time).map_or(0, Timestamp::as_millis),
            severity_id,
            severity,
            status_id,
            status,
            status_code: code(entry),
            status_detail: entry.reason.as_deref(),
            duration: timed.then_some(entry.duration_us / 1_000),
            metadata: metadata(entry),
            actor: OcsfActor { user: user(&entry.principal), authorizations: authorizations(entry) },
            api: is_api.then(|| api(entry)),
            src_endpoint: is_api.then_some(OcsfEndpoint { name: "rex", svc_name: "rex" }),
            app: (!is_api).then_some(REX),
            resources: entry.resource.as_deref().map(|uid| resource(entry, uid)).into_iter().collect(),
            unmapped: unmapped(entry, timed),
        }
    }
}

fn activity(entry: &Entry<'_>) -> OcsfActivity {
    let (class, id, name) = match &*entry.event {
        "start" => (LIFECYCLE, 3, "Start"),
        "end" => (LIFECYCLE, 4, "Stop"),
        "decision" => {
            let (id, name) = effect(entry.action.as_deref().unwrap_or_default());
            (API, id, name)
        }
        _ => (API, 99, "Outcome"),
    };
    OcsfActivity { class, id, name }
}

/// Returns an action's activity: one of the four of the schema, `Unknown` or `Other`.
fn effect(action: &str) -> (u32, &'static str) {
    let Some(spec) = ACTIONS.iter().find(|spec| spec.to_string() == action) else { return (0, "Unknown") };
    match spec.name {
        _ if spec.groups.contains(&"ReadOnly") => (2, "Read"),
        "create_dir" | "symlink" | "hard_link" | "run" | "post" => (1, "Create"),
        "remove" | "delete" => (4, "Delete"),
        _ if spec.groups.contains(&"Mutating") => (3, "Update"),
        _ => (99, "Other"),
    }
}

fn code<'a>(entry: &'a Entry<'a>) -> Option<&'a str> {
    if entry.is_denial() { Some("ACCESS_DENIED_EXCEPTION") } else { entry.result.as_deref() }
}

/// Returns the id of a line: its run, and its number within the run.
fn uid(entry: &Entry<'_>) -> String {
    format!("{}/{}", entry.run, entry.sequence)
}

fn metadata<'a>(entry: &'a Entry<'a>) -> OcsfMetadata<'a> {
    OcsfMetadata {
        version: VERSION,
        product: REX,
        uid: uid(entry),
        correlation_uid: &entry.run,
        sequence: entry.sequence,
        original_time: &entry.time,
        labels: &entry.tags,
    }
}

/// Converts a principal. Only `User::"name"` is a user of a system, unlike `Agent::"name"`.
fn user(principal: &str) -> OcsfUser<'_> {
    let (kind, name) = uid::parse(principal).unwrap_or_else(|_| {
        let (kind, name) = principal.split_once("::").unwrap_or(("", principal));
        (kind, name.to_owned())
    });
    let (type_id, kind) = match kind {
        "User" => (1, "User"),
        "" => (0, "Unknown"),
        other => (99, other),
    };
    OcsfUser { name, uid: principal, type_id, kind }
}

fn authorizations<'a>(entry: &'a Entry<'a>) -> Vec<OcsfAuthorization<'a>> {
    let Some(decision) = entry.decision.as_deref() else { return Vec::new() };
    let desc = entry.reason.as_deref();
    if entry.policies.is_empty() {
        return vec![OcsfAuthorization { decision, policy: None }];
    }
    let one =
        |uid: &'a std::borrow::Cow<'a, str>| OcsfAuthorization { decision, policy: Some(OcsfPolicy { uid, desc }) };
    entry.policies.iter().map(one).collect()
}

fn api<'a>(entry: &'a Entry<'a>) -> OcsfApi<'a> {
    let error = code(entry).filter(|code| *code != "SUCCESS");
    OcsfApi {
        operation: &entry.operation,
        service: OcsfName { name: "rex" },
        request: OcsfUid { uid: uid(entry) },
        response: error.map(|error| OcsfResponse { error, error_message: entry.reason.as_deref() }),
    }
}

fn resource<'a>(entry: &Entry<'_>, uid: &'a str) -> OcsfResource<'a> {
    let action = entry.action.as_deref().unwrap_or_default();
    let spec = ACTIONS.iter().find(|spec| spec.to_string() == action);
    OcsfResource { uid, kind: spec.map(|spec| format!("{}::{}", spec.resource.namespace, spec.resource.name)) }
}

fn unmapped<'a>(entry: &'a Entry<'a>, timed: bool) -> UnmappedFields<'a> {
    UnmappedFields {
        event: &entry.event,
        action: entry.action.as_deref(),
        line: entry.line,
        bytes: (entry.event == "outcome").then_some(entry.bytes),
        duration_us: timed.then_some(entry.duration_us),
        script_sha256: entry.script.as_deref().filter(|script| !script.is_empty()),
        policy_sha256: entry.policy.as_deref(),
        attributes: &entry.attributes,
        context: &entry.context,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::Value;

    use super::*;

    fn event(line: &str) -> String {
        serde_json::to_string(&OcsfEvent::new(&Entry::parse(line.as_bytes()).unwrap())).unwrap()
    }

    #[test]
    fn a_denial_is_an_activity_that_failed() {
        let text = event(
            r#"{"time":"2026-11-23T12:42:29.5Z","run":"r","sequence":2,"principal":"Agent::\"t\"","operation":"fs::copy","line":3,"event":"decision","action":"fs::write","resource":"/etc/x","attributes":{},"context":{"bytes":3},"decision":"DENY","policies":["no"],"reason":"review"}"#,
        );
        expect![[r#"{"activity_id":3,"activity_name":"Update","category_uid":6,"category_name":"Application Activity","class_uid":6003,"class_name":"API Activity","type_uid":600303,"time":1795437749500,"severity_id":3,"severity":"Medium","status_id":2,"status":"Failure","status_code":"ACCESS_DENIED_EXCEPTION","status_detail":"review","metadata":{"version":"1.3.0","product":{"name":"Rex","vendor_name":"Rex","version":"REX"},"uid":"r/2","correlation_uid":"r","sequence":2,"original_time":"2026-11-23T12:42:29.5Z"},"actor":{"user":{"name":"t","uid":"Agent::\"t\"","type_id":99,"type":"Agent"},"authorizations":[{"decision":"DENY","policy":{"uid":"no","desc":"review"}}]},"api":{"operation":"fs::copy","service":{"name":"rex"},"request":{"uid":"r/2"},"response":{"error":"ACCESS_DENIED_EXCEPTION","error_message":"review"}},"src_endpoint":{"name":"rex","svc_name":"rex"},"resources":[{"uid":"/etc/x","type":"fs::Path"}],"unmapped":{"event":"decision","action":"fs::write","line":3,"context":{"bytes":3}}}"#]].assert_eq(&text.replace(env!("CARGO_PKG_VERSION"), "REX"));
    }

    #[test]
    fn what_the_schema_requires_is_there() {
        let of_runs = r#""event":"start","script":"ab","tags":["a=b"],"policy":"cd""#;
        for (rest, class, activity, status) in [
            (of_runs, 6_002, 3, 1),
            (r#""event":"end","result":"SUCCESS","duration_us":7000"#, 6_002, 4, 1),
            (r#""event":"end","result":"IO_EXCEPTION","duration_us":7000"#, 6_002, 4, 2),
            (r#""event":"outcome","result":"SUCCESS","bytes":1,"duration_us":7000"#, 6_003, 99, 1),
            (r#""event":"decision","action":"fs::read","resource":"/a","decision":"ALLOW","policies":[]"#, 6_003, 2, 1),
            (
                r#""event":"decision","action":"fs::remove","resource":"/a","decision":"ALLOW","policies":["p"]"#,
                6_003,
                4,
                1,
            ),
            (r#""event":"decision","action":"fs::write","resource":"/a","decision":"DENY","policies":[]"#, 6_003, 3, 2),
            (r#""event":"decision","action":"no::thing","resource":"/a","decision":"DENY","policies":[]"#, 6_003, 0, 2),
        ] {
            let line = format!(
                r#"{{"time":"2026-11-23T12:42:29Z","run":"r","sequence":1,"principal":"User::\"a\\\"b\"","operation":"","line":null,{rest}}}"#
            );
            let event: Value = serde_json::from_str(&event(&line)).unwrap();
            let number = |name: &str| event[name].as_u64().unwrap();
            assert_eq!(
                (number("class_uid"), number("activity_id"), number("status_id")),
                (class, activity, status),
                "{rest}"
            );
            assert_eq!(number("type_uid"), class * 100 + activity);
            assert_eq!((number("category_uid"), number("time")), (6, 1_795_437_749_000));
            assert!(number("severity_id") > 0 && event["metadata"]["product"]["name"] == "Rex");
            assert_eq!(
                (&event["metadata"]["version"], &event["actor"]["user"]["name"]),
                (&VERSION.into(), &"a\"b".into())
            );
            let api = ["api", "src_endpoint"].iter().all(|name| event[name].is_object());
            assert_eq!((api, event["app"].is_object()), (class == 6_003, class == 6_002), "{event}");
        }
    }

    #[test]
    fn each_action_has_an_activity() {
        for action in ACTIONS {
            let (id, _) = effect(&action.to_string());
            assert_eq!(id == 2, action.groups.contains(&"ReadOnly"), "{action}");
            assert_ne!(id, 0, "{action}");
        }
        for (action, id) in
            [("fs::create_dir", 1), ("net::post", 1), ("fs::remove", 4), ("net::delete", 4), ("fs::chmod", 3)]
        {
            assert_eq!(effect(action).0, id, "{action}");
        }
    }
}
