"""A Hugging Face Space: the page of ser, for everyone who opens the Space."""

import os
import sys

from ser import cli

sys.exit(
    cli.main(
        [
            "app",
            "--host",
            "0.0.0.0",
            "--public",
            os.environ["SPACE_HOST"],  # such as somebody-ser.hf.space
            "--framed-by",
            "https://huggingface.co",
        ]
    )
)
