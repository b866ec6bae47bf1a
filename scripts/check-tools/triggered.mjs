#!/usr/bin/env node
// Says which workflows a push with certain changed files starts, as GitHub's path filters do: a file is in when the last
// pattern that matches it has no `!`, and a workflow starts when one file is in. A workflow without a filter always starts.
//
// Standard input:  {"filters": {"NAME": ["PATTERN", ...] | null}, "changes": {"CASE": ["FILE", ...]}}
// Standard output: {"CASE": ["NAME", ...]}
import { readFile } from "node:fs/promises";
import picomatch from "picomatch";

const { filters, changes } = JSON.parse(await readFile("/dev/stdin", "utf8"));

function starts(patterns, files) {
    if (patterns === null) {
        return true;
    }
    const rules = patterns.map((pattern) => {
        const negative = pattern.startsWith("!");
        // Names that begin with a dot are like others to GitHub.
        return { negative, matches: picomatch(negative ? pattern.slice(1) : pattern, { dot: true, nonegate: true }) };
    });
    return files.some((file) => {
        const last = rules.findLast(({ matches }) => matches(file));
        return last !== undefined && !last.negative;
    });
}

const answer = Object.fromEntries(
    Object.entries(changes).map(([name, files]) => [
        name,
        Object.keys(filters).filter((workflow) => starts(filters[workflow], files)).sort(),
    ]),
);
console.log(JSON.stringify(answer));
