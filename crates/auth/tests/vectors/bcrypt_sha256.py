"""Makes bcrypt_sha256.json: hashes of passlib's bcrypt_sha256, format version 2.

Run in a virtual environment with `pip install passlib 'bcrypt<4.1'`:
    python bcrypt_sha256.py > bcrypt_sha256.json
"""

import json
import sys

from passlib.hash import bcrypt_sha256

# 22 characters of bcrypt's base64; the last one carries two bits, hence one of `.Oeu`.
SALTS = ["n79VH.0Q2TMWmt3Oqt9uku", "......................", "zVHmKQtGGQob.b/Nc7l9NO"]
PASSWORDS = [
    "",
    "password",
    "correct horse battery staple",
    "\u00fcn\u00efc\u00f6d\u00e9 \U0001f511 \u5bc6\u7801",
    "e\u0301 is not \u00e9",
    " leading and trailing ",
    "x" * 71,
    "x" * 72,
    "x" * 73,
    "y" * 256,
    "\u5bc6" * 256,
]

vectors = []
for cost in (4, 5):
    for salt in SALTS:
        for password in PASSWORDS:
            hasher = bcrypt_sha256.using(rounds=cost, salt=salt, version=2)
            vectors.append({"password": password, "hash": hasher.hash(password)})
# The example of passlib's documentation, at the default cost.
vectors.append({
    "password": "password",
    "hash": "$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2",
})
for vector in vectors:
    assert bcrypt_sha256.verify(vector["password"], vector["hash"])
json.dump(vectors, sys.stdout, indent=1, ensure_ascii=True)
print()
