//! Installations without a list, and lists that others wrote: the version before, a hand, another installation.

use super::*;

#[test]
fn without_a_list_the_mark_is_that_of_most_and_the_other_is_refused() {
    for foreign in DATABASES {
        let world = World::started();
        let ours = mark(&world.at("auth.db"));
        for theirs in [1, i32::MAX, i32::MIN] {
            sql(
                &world.at(foreign),
                &format!("PRAGMA application_id = {theirs}"),
            );
            fs::remove_file(world.at(LIST)).ok();
            let said = world.refuses(foreign);
            for other in DATABASES.iter().filter(|name| **name != foreign) {
                let path = world.at(other).display().to_string();
                assert!(!said.contains(&path), "{said}");
            }
        }
        sql(
            &world.at(foreign),
            &format!("PRAGMA application_id = {ours}"),
        );
        world.start().unwrap();
        assert!(world.list().contains(&format!("id {ours}\n")));
    }
}

#[test]
fn an_installation_of_the_version_without_lists_goes_on() {
    let world = World::empty();
    world.make();
    world.start().unwrap();
    assert_ne!(mark(&world.at("session.db")), 0);
    world.start().unwrap();
}

/// A list as the first version with lists wrote it: of whatever lay in the folder.
#[test]
fn a_list_of_the_version_before_is_read_whatever_copies_it_has() {
    let world = World::started();
    let list = world.list();
    let ring = list
        .lines()
        .find(|line| line.starts_with("keys/refresh-token "))
        .unwrap();
    let sealed = ring.rsplit_once(' ').unwrap().1;
    let copies = format!(
        "auth copy.db\nauth-2026.db\nauth.db.db\nkeys/key-encryption (copy) {sealed}\nkeys/refresh-token.bak {sealed}\n"
    );
    fs::write(world.at(LIST), format!("{list}{copies}")).unwrap();
    world.start().unwrap();
    world.start().unwrap();
    fs::remove_file(world.at("auth.db")).unwrap();
    world.refuses("auth.db");
}

#[test]
fn what_is_told_where_there_is_no_list_works() {
    for lost in DATABASES.iter().chain(&RINGS[..2]) {
        let world = World::started();
        let others = DATABASES.iter().chain(&RINGS).filter(|name| *name != lost);
        let before: Vec<_> = others
            .map(|name| (name, fs::read(world.at(name)).unwrap()))
            .collect();
        fs::remove_file(world.at(LIST)).unwrap();
        fs::remove_file(world.at(lost)).unwrap();
        let said = world.refuses(lost);
        world.do_as_told(&said);
        world.start().unwrap();
        assert!(world.at(lost).exists());
        for (name, content) in before {
            assert_eq!(fs::read(world.at(name)).unwrap(), content, "{name}");
        }
        world.start().unwrap();
    }
}

#[test]
fn a_list_by_hand_takes_what_it_names_and_wants_it() {
    let world = World::started();
    sql(&world.at("auth.db"), "PRAGMA application_id = 7");
    fs::write(world.at(LIST), "auth.db\n\nrole.db\r\n").unwrap();
    world.start().unwrap();
    assert_eq!(mark(&world.at("auth.db")), mark(&world.at("role.db")));
    fs::remove_file(world.at("role.db")).unwrap();
    fs::write(world.at(LIST), "auth.db\nrole.db\n").unwrap();
    let said = world.refuses("role.db");
    assert!(said.contains("remove its line"), "{said}");
    for text in [
        "",
        "\n",
        "# a comment\n",
        "auth.db\nsomething else\n",
        "id 0\nauth.db\n",
        "id x\n",
    ] {
        fs::write(world.at(LIST), text).unwrap();
        world.refuses(LIST);
    }
}

#[test]
fn a_list_of_another_installation_is_named_and_one_foreign_file_is_not_taken_for_it() {
    let (world, other) = (World::started(), World::started());
    let own = fs::read(world.at(LIST)).unwrap();
    fs::copy(other.at(LIST), world.at(LIST)).unwrap();
    let said = world.refuses(LIST);
    assert!(said.contains("the list of another installation"), "{said}");
    fs::write(world.at(LIST), own).unwrap();
    fs::copy(other.at("role.db"), world.at("role.db")).unwrap();
    let said = world.refuses("role.db");
    assert!(!said.contains("the list of another installation"), "{said}");
}
