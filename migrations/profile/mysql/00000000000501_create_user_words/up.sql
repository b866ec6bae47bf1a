-- What `POST /api/v1/users/search` looks through by `text`: lower-case words of names and identifiers.
CREATE TABLE user_words (
    word    VARCHAR(64) NOT NULL,
    user_id BINARY(16)  NOT NULL,
    PRIMARY KEY (word, user_id),
    INDEX ix_user_words_user_id (user_id),
    CONSTRAINT fk_user_words_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
