-- What `POST /api/v1/users/search` looks through by `text`: lower-case words of names and identifiers.
-- Compared byte by byte, as the other two databases do: words are found by their beginning.
CREATE TABLE user_words (
    word    VARCHAR(64) COLLATE "C" NOT NULL,
    user_id UUID NOT NULL,
    PRIMARY KEY (word, user_id),
    CONSTRAINT fk_user_words_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_user_words_user_id ON user_words (user_id);
