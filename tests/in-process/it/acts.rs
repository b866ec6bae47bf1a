//! What may happen to refresh tokens, and how often.

use proptest::{bool::weighted, prelude::*};

/// Acts are upon the newest sessions, so many.
pub const NEWEST: usize = 3;

#[derive(Debug, Clone)]
pub enum Act {
    Pause(u64),
    LogIn(usize),
    /// The token so many before the newest of a chain, itself counted from the newest, from here or from elsewhere; also
    /// with its access token and the password, if that access token has not expired.
    Present {
        chain: usize,
        back: usize,
        auth: usize,
        elsewhere: bool,
        with_password: bool,
    },
    /// The newest token, and its answer is lost.
    Lose {
        chain: usize,
        auth: usize,
    },
    /// The store stands still while a client asks once a second.
    Freeze {
        chain: usize,
        back: usize,
        auth: usize,
        seconds: u64,
    },
    /// An owner and a thief on one chain, with a pause before each turn.
    TakeTurns {
        chain: usize,
        pause: u64,
    },
    /// A refresh token with another tag.
    Forge {
        chain: usize,
        back: usize,
    },
    LogOut {
        chain: usize,
        auth: usize,
    },
    Close {
        chain: usize,
        session: usize,
    },
    /// Suspended, and active again.
    Suspend(usize),
    Privileged(bool),
    RoleDown(bool),
    /// A clock is so far ahead of the time it is; it steps back when it was further.
    Auth(usize, i64),
    Session(usize, i64),
    NewKey,
    DropKey,
    RestartAuth(usize),
    RestartSession(usize),
    RestartAll,
}

pub fn act() -> impl Strategy<Value = Act> {
    let (two, chain) = (|| 0..2_usize, || 0..NEWEST);
    // Mostly what a good client does.
    let back = || prop_oneof![6 => Just(0_usize), 4 => Just(1), 1 => Just(2), 1 => Just(3)];
    let ahead = || {
        prop_oneof![
            Just(0_i64),
            Just(500),
            Just(999),
            Just(1_001),
            Just(300_000)
        ]
    };
    let pause = prop_oneof![
        6 => Just(500_u64), 6 => Just(9_499), 2 => Just(10_000), 2 => 1..70_000_u64,
        2 => Just(1_800_000), 1 => Just(3_600_000), 1 => Just(7 * 86_400_000),
    ];
    prop_oneof![
        8 => pause.prop_map(Act::Pause),
        6 => two().prop_map(Act::LogIn),
        38 => (chain(), back(), two(), any::<bool>(), weighted(0.2)).prop_map(
            |(chain, back, auth, elsewhere, with_password)| {
                Act::Present { chain, back, auth, elsewhere, with_password }
            }
        ),
        4 => (chain(), two()).prop_map(|(chain, auth)| Act::Lose { chain, auth }),
        2 => (chain(), back(), two(), prop_oneof![Just(3_u64), Just(12), Just(30)]).prop_map(
            |(chain, back, auth, seconds)| Act::Freeze { chain, back, auth, seconds }
        ),
        1 => (chain(), prop_oneof![Just(500_u64), Just(900_000), Just(29_160_000), Just(86_400_000)])
            .prop_map(|(chain, pause)| Act::TakeTurns { chain, pause }),
        2 => (chain(), 0..3_usize).prop_map(|(chain, back)| Act::Forge { chain, back }),
        2 => (chain(), two()).prop_map(|(chain, auth)| Act::LogOut { chain, auth }),
        1 => (chain(), two()).prop_map(|(chain, session)| Act::Close { chain, session }),
        1 => two().prop_map(Act::Suspend),
        2 => any::<bool>().prop_map(Act::Privileged),
        2 => prop_oneof![1 => Just(true), 4 => Just(false)].prop_map(Act::RoleDown),
        3 => (two(), ahead()).prop_map(|(auth, by)| Act::Auth(auth, by)),
        2 => (two(), ahead()).prop_map(|(session, by)| Act::Session(session, by)),
        1 => Just(Act::NewKey),
        1 => Just(Act::DropKey),
        1 => two().prop_map(Act::RestartAuth),
        1 => two().prop_map(Act::RestartSession),
        1 => Just(Act::RestartAll),
    ]
}
