"""From picture files to the squares that CLIP is shown, in processes of their own."""
