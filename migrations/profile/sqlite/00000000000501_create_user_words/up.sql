-- What `POST /api/v1/users/search` looks through by `text`: lower-case words of names and identifiers.
CREATE TABLE user_words (
    word    TEXT NOT NULL CHECK (length(word) <= 64),
    user_id BLOB NOT NULL,
    PRIMARY KEY (word, user_id),
    CONSTRAINT fk_user_words_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX ix_user_words_user_id ON user_words (user_id);
