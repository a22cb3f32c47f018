"""How each input was made: settings, versions, digests, and the command that makes it again."""
