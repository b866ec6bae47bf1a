DROP TABLE user_standings;
