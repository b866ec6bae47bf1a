// The page does not use this build; without it every binary is 2.3 MB smaller.
