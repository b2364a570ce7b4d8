"""The version of this build, as the distribution's metadata has it."""

VERSION = "0.1.0"
