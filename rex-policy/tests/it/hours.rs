//! The policies about the time of day in `docs/policy-as-code.md`.

use rex_core::action::service;
use rex_core::resource::Unit;
use rex_core::{Effect, Principal, Subject, Timestamp};
use rex_policy::{LintLevels, SourceText, formatted};

use crate::support::{ask_at, compile};

#[test]
fn office_hours_and_nights_are_as_the_documentation_has_them() {
    let page = include_str!("../../../docs/policy-as-code.md");
    let section = page.split("## When does it hold?").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks: Vec<&str> = section.split("```cedar\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [office, night] = blocks[..] else { panic!("two policies: {blocks:?}") };
    for text in [office, night] {
        assert!(
            compile(text).lints(&LintLevels::default()).is_empty(),
            "{:?}",
            compile(text).lints(&LintLevels::default())
        );
        assert_eq!(formatted(&SourceText::new("page.cedar", text)).unwrap(), text);
    }
    let subject = |agent: &str| Subject::new(Principal::agent(agent));
    let at = |time: &str| Timestamp::parse(&format!("2026-12-01T{time}Z")).unwrap();
    let (office, night) = (compile(office), compile(night));
    let shop = Unit::parse("shop-web").unwrap();
    let backup = Unit::parse("backup").unwrap();
    for (time, open) in [
        ("08:59:59", false),
        ("09:00:00", true),
        ("12:00:00", true),
        ("17:29:59", true),
        ("17:30:00", false),
        ("23:59:59", false),
        ("00:00:00", false),
    ] {
        let effect = ask_at(&office, &subject("deploy"), &service::Restart {}, &shop, at(time)).effect;
        assert_eq!(effect == Effect::Allow, open, "{time}");
    }
    let over = Timestamp::parse("2027-01-01T12:00:00Z").unwrap();
    assert_eq!(ask_at(&office, &subject("deploy"), &service::Restart {}, &shop, over).effect, Effect::Deny);
    for (time, dark) in [
        ("21:59:59", false),
        ("22:00:00", true),
        ("23:59:59", true),
        ("00:00:00", true),
        ("05:59:59", true),
        ("06:00:00", false),
        ("12:00:00", false),
    ] {
        let effect = ask_at(&night, &subject("backup"), &service::Start {}, &backup, at(time)).effect;
        assert_eq!(effect == Effect::Allow, dark, "{time}");
    }
}
