use std::{fs, path::Path};

use super::*;

#[track_caller]
fn assert_drops(sql: &str, expected: &[&str]) {
    assert_eq!(drops(sql), expected, "{sql}");
}

#[test]
fn tables_columns_indexes_and_rows_are_named() {
    assert_drops("DROP TABLE a;", &["drops table a, with all its rows"]);
    assert_drops(
        "drop table if exists \"a b\", public.`c` cascade",
        &[
            "drops table a b, with all its rows, and what depends on it",
            "drops table public.c, with all its rows, and what depends on it",
        ],
    );
    assert_drops(
        "DROP INDEX CONCURRENTLY IF EXISTS ix_a;\nDROP INDEX ix_b ON t;",
        &["drops index ix_a", "drops index ix_b of table t"],
    );
    assert_drops(
        "DROP MATERIALIZED VIEW v; DROP TYPE t;",
        &["drops view v", "drops type t"],
    );
    assert_drops(
        "ALTER TABLE t DROP COLUMN a, DROP b, DROP INDEX ix, DROP CONSTRAINT IF EXISTS c, DROP FOREIGN KEY f, \
         DROP PRIMARY KEY, DROP CHECK k, DROP KEY z, DROP PARTITION p",
        &[
            "drops column t.a",
            "drops column t.b",
            "drops index ix of table t",
            "drops constraint c of table t",
            "drops constraint f of table t",
            "drops the primary key of table t",
            "drops constraint k of table t",
            "drops index z of table t",
            "drops partition p of table t, with all its rows",
        ],
    );
    assert_drops(
        "DELETE FROM a; DELETE FROM b WHERE n >= 0; TRUNCATE TABLE c, d; TRUNCATE e",
        &[
            "deletes all rows of table a",
            "deletes rows of table b: DELETE FROM b WHERE n >= 0",
            "deletes all rows of table c",
            "deletes all rows of table d",
            "deletes all rows of table e",
        ],
    );
}

#[test]
fn what_is_only_changed_is_shown_as_it_is() {
    assert_drops(
        "ALTER TABLE t ALTER COLUMN a DROP NOT NULL, DROP COLUMN b",
        &[
            "drops column t.b",
            "changes table t: ALTER TABLE t ALTER COLUMN a DROP NOT NULL, DROP COLUMN b",
        ],
    );
    assert_drops(
        "ALTER TABLE t MODIFY a DECIMAL(10, 2)",
        &["changes table t: ALTER TABLE t MODIFY a DECIMAL(10, 2)"],
    );
    assert_drops(
        "UPDATE t\n  SET a = 'DROP TABLE b; -- no',\n  c = $x$ ; DROP TABLE d $x$;",
        &["runs: UPDATE t SET a = 'DROP TABLE b; -- no', c = $x$ ; DROP TABLE d $x$"],
    );
    assert_drops(
        "CREATE TABLE t (a INTEGER); CREATE UNIQUE INDEX IF NOT EXISTS uq ON t (a)",
        &["makes table t again, empty", "makes index uq again"],
    );
    assert_drops("DROP", &["runs: DROP"]);
    assert_drops("DROP TABLE 'a'", &["runs: DROP TABLE 'a'"]);
}

#[test]
fn comments_are_passed_over_and_those_that_mysql_runs_are_not() {
    assert_drops(
        "-- DROP TABLE a;\n/* DROP TABLE b; */ DROP /* now */ TABLE\n c -- it's gone\n;;",
        &["drops table c, with all its rows"],
    );
    assert_drops(
        "/*!80000 DROP TABLE a */; /*M!100100 DROP INDEX b ON c */",
        &[
            "drops table a, with all its rows",
            "drops index b of table c",
        ],
    );
    assert_drops("", &[]);
    assert_drops(" -- nothing\n ; /* open", &[]);
    // Cut anywhere, it ends.
    let sql = "ALTER TABLE \"ü\" DROP COLUMN `é`, /*!1 DROP x */ DROP $a$ ü $a$ 'ö'";
    for (end, _) in sql.char_indices() {
        let _ = drops(&sql[..end]);
    }
}

/// Every statement of every `down.sql` there is: nothing with DROP in it is merely run, and each dropped name is in a line.
#[test]
fn the_migrations_of_the_platform_are_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let folders = |path: &Path| -> Vec<_> {
        let entries = fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let mut seen = 0;
    for owner in folders(&root) {
        for migration in folders(&owner).iter().flat_map(|tree| folders(tree)) {
            let file = migration.join("down.sql");
            let sql = fs::read_to_string(&file).unwrap();
            let lines = drops(&sql);
            assert!(!lines.is_empty(), "{}", file.display());
            let run = lines.iter().filter(|line| line.starts_with("runs: "));
            for line in run {
                assert!(!line.to_uppercase().contains("DROP"), "{line}");
            }
            seen += 1;
        }
    }
    assert!(seen > 90, "{seen}");
}
