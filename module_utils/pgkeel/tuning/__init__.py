"""From a server's facts and its applications' pools to settings that fit together."""
