DROP TABLE account_places;
