//! What `make generated` writes is as it would be if written now.

use std::{
    collections::BTreeSet,
    fs::{self, create_dir_all},
};

use deployment::{
    generated::{FROM, TO, listed, regions, with_regions, workflows_of},
    repository,
};

/// Names the lines that one text has and the other has not.
fn difference(file: &str, stands: &str, wanted: &str) -> String {
    let (there, right): (BTreeSet<_>, BTreeSet<_>) =
        (stands.lines().collect(), wanted.lines().collect());
    let missing = right.difference(&there).map(|line| format!("\n+ {line}"));
    let unneeded = there.difference(&right).map(|line| format!("\n- {line}"));
    format!("{file}:{}", missing.chain(unneeded).collect::<String>())
}

/// `UPDATE_GENERATED=1` writes the files.
#[test]
fn each_list_is_as_it_would_be_if_written_now() {
    let services = listed().unwrap();
    let mut files = workflows_of(&services).unwrap();
    let mut wrong = Vec::new();
    for (file, regions) in regions(&services) {
        let stands = fs::read_to_string(repository(&file)).unwrap_or_default();
        match with_regions(&stands, &regions) {
            Ok(wanted) => files.push((file, wanted)),
            Err(error) => wrong.push(format!("{file}: {error}")),
        }
    }
    for (file, wanted) in files {
        let path = repository(&file);
        let stands = fs::read_to_string(&path).unwrap_or_default();
        if stands == wanted {
            continue;
        }
        if std::env::var("UPDATE_GENERATED").is_ok() {
            create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, wanted).unwrap();
        } else {
            wrong.push(difference(&file, &stands, &wanted));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nafter a change of deploy/services or of dependencies run `make generated`",
        wrong.join("\n")
    );
}

#[test]
fn what_is_written_by_hand_around_a_region_stays() {
    let text = format!("a\n  {FROM}\nold\n  {TO}\nb\n{FROM}\n{TO}\nc");
    let (one, two) = ("1\n".to_owned(), "2\n".to_owned());
    assert_eq!(
        with_regions(&text, &[one.clone(), two.clone()]).unwrap(),
        format!("a\n  {FROM}\n1\n  {TO}\nb\n{FROM}\n2\n{TO}\nc")
    );
    let new = with_regions("", std::slice::from_ref(&one)).unwrap();
    assert_eq!(new, format!("{FROM}\n1\n{TO}\n"));
    assert_eq!(with_regions(&new, std::slice::from_ref(&one)).unwrap(), new);
    for regions in [&[one.clone()][..], &[one.clone(), two.clone(), two]] {
        assert!(with_regions(&text, regions).is_err(), "{regions:?}");
    }
    let torn = format!("{FROM}\n");
    assert!(with_regions(&torn, &[one]).is_err());
}
