//! The Lua scripts, which are given the rules' numbers.

use redis::Script;

use crate::models::{
    late_repetition, rotations,
    seen::RENEW_EVERY,
    session::{
        CLOCKS_APART, DEFAULT_ABSOLUTE, EPOCH_SLACK, FIRST_COUNTER, LATE, LOST_ANSWER_WINDOW,
        MAX_LIVE, REPEAT_WINDOW, TWICE_LEEWAY,
    },
    session_store::FEED_PAGE,
};

/// One for each operation of the store.
pub(super) struct Scripts {
    pub(super) create: Script,
    pub(super) rotate: Script,
    pub(super) close: Script,
    pub(super) not_before: Script,
    pub(super) revoke_key: Script,
    pub(super) state: Script,
    pub(super) find: Script,
    pub(super) list: Script,
    pub(super) feed: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            create: script(include_str!("create.lua")),
            rotate: script(include_str!("rotate.lua")),
            close: script(include_str!("close.lua")),
            not_before: script(include_str!("not_before.lua")),
            revoke_key: script(include_str!("revoke_key.lua")),
            state: script(include_str!("state.lua")),
            find: script(include_str!("find.lua")),
            list: script(include_str!("list.lua")),
            feed: script(include_str!("feed.lua")),
        }
    }
}

/// `code` behind what all scripts share. The rules' numbers stand in one place, beside the rules.
pub(super) fn script(code: &str) -> Script {
    let constants = format!(
        "local REPEAT_WINDOW, LOST_ANSWER_WINDOW = {}, {}\n\
             local TWICE_LEEWAY, LATE, EPOCH_SLACK = {}, {}, {}\n\
             local RENEW_EVERY, ROTATIONS_KEPT, MOST_LATE = {}, {}, {}\n\
             local MAX_LIVE, FIRST_COUNTER, DEFAULT_ABSOLUTE = {MAX_LIVE}, {FIRST_COUNTER}, {DEFAULT_ABSOLUTE}\n\
             local FEED_PAGE, CLOCKS_APART = {FEED_PAGE}, {}\n",
        REPEAT_WINDOW.as_millis(),
        LOST_ANSWER_WINDOW.as_millis(),
        TWICE_LEEWAY.as_millis(),
        LATE.as_millis(),
        EPOCH_SLACK.as_millis(),
        RENEW_EVERY.as_millis(),
        rotations::KEPT,
        late_repetition::MOST,
        CLOCKS_APART.as_millis(),
    );
    Script::new(&format!("{constants}{}{code}", include_str!("prelude.lua")))
}
