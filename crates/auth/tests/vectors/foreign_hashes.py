"""Makes foreign_hashes.json: password hashes as other systems store them, made by their own software.

Run in a virtual environment with
`pip install passlib==1.7.4 bcrypt==4.0.1 argon2-cffi==25.1.0 werkzeug==3.1.9`:
    python foreign_hashes.py > foreign_hashes.json

Salts are new at each run. `wrong` is a password the same software says no to; where it is not there, any other is.
"""

import json
import sys

import argon2
import bcrypt
import passlib.hash
import werkzeug.security

PASSWORDS = [
    "",
    "password",
    "correct horse battery staple",
    "\u00fcn\u00efc\u00f6d\u00e9 \U0001f511 \u5bc6\u7801",
    " leading and trailing ",
    "x" * 71,
    "x" * 72,
    "x" * 73,
    "\u5bc6" * 100,
]

vectors = []


def add(made_by, password, hash, verify, wrong=None):
    wrong = wrong or password[:20] + "."
    assert verify(password, hash), hash
    assert not verify(wrong, hash), hash
    vectors.append({"made_by": made_by, "password": password, "wrong": wrong, "hash": hash})


def bcrypt_verify(password, hash):
    return bcrypt.checkpw(password.encode(), hash.encode())


for password in PASSWORDS:
    for prefix in (b"2a", b"2b"):
        salt = bcrypt.gensalt(4, prefix)
        add("bcrypt", password, bcrypt.hashpw(password.encode(), salt).decode(), bcrypt_verify)
    hasher = passlib.hash.bcrypt.using(rounds=5, ident="2y", truncate_error=False)
    add("passlib bcrypt", password, hasher.hash(password), hasher.verify)
# What stands behind the 72nd byte does not count, also in the middle of a character.
for end in ("y", "", "z" * 100):
    hash = bcrypt.hashpw(b"x" * 72 + b"y", bcrypt.gensalt(4)).decode()
    add("bcrypt", "x" * 72 + end, hash, bcrypt_verify, "x" * 71 + "y")
hash = bcrypt.hashpw(("x" + "\u5bc6" * 24).encode(), bcrypt.gensalt(4)).decode()
add("bcrypt", "x" + "\u5bc6" * 23 + "\u5bc5", hash, bcrypt_verify, "x" + "\u5bc6" * 23 + "y")
# NUL is a byte like any other.
hash = bcrypt.hashpw(b"ab\0cd", bcrypt.gensalt(4)).decode()
add("bcrypt", "ab\0cd", hash, bcrypt_verify, "ab")
add("bcrypt", "ab\0cd", hash, bcrypt_verify, "ab\0ce")

for password in PASSWORDS:
    for memory, time, lanes, length in ((4096, 1, 1, 16), (8192, 2, 4, 32)):
        hasher = argon2.PasswordHasher(time, memory, lanes, length)

        def argon2_verify(password, hash, hasher=hasher):
            try:
                return hasher.verify(hash, password)
            except argon2.exceptions.VerifyMismatchError:
                return False

        add("argon2-cffi", password, hasher.hash(password), argon2_verify)
hasher = argon2.PasswordHasher()
add("argon2-cffi, defaults", "password", hasher.hash("password"), argon2_verify)
hasher = passlib.hash.argon2.using(type="ID", rounds=2, memory_cost=4096, parallelism=2, digest_size=64)
add("passlib argon2", "password", hasher.hash("password"), hasher.verify)

for password in PASSWORDS:
    for method in ("pbkdf2:sha256:1000", "pbkdf2:sha512:1500", "scrypt:4096:8:1", "scrypt:8192:8:2"):
        hash = werkzeug.security.generate_password_hash(password, method)
        add("werkzeug", password, hash, lambda p, h: werkzeug.security.check_password_hash(h, p))
for method in ("pbkdf2", "scrypt"):
    hash = werkzeug.security.generate_password_hash("password", method, salt_length=32)
    add("werkzeug, defaults", "password", hash, lambda p, h: werkzeug.security.check_password_hash(h, p))

json.dump(vectors, sys.stdout, indent=1, ensure_ascii=True)
print()
