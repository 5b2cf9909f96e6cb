"""Run `titlebout ARGUMENTS` in a Job: `python -m titlebout.cli.command_pod ARGUMENTS`.

The result is what the command printed to standard output. All else in the log is progress.
"""

import io
import sys
from contextlib import redirect_stdout

from titlebout.cli import EXIT_ERROR, app
from titlebout.cli.remote import OUTPUT
from titlebout.spec import OutputWriter, TitleboutError


def main() -> None:
    """Write the command's output, and its error if it has one, and exit as the command does."""
    writer, output = OutputWriter(), io.StringIO()
    try:
        with redirect_stdout(output):
            app(prog_name="titlebout")
    except TitleboutError as error:
        writer.write_error(error)
        sys.exit(EXIT_ERROR)
    finally:
        writer.write_result({OUTPUT: output.getvalue()})


if __name__ == "__main__":
    main()
