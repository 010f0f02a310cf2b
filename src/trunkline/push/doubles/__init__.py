"""Local stand-ins for the push services: for tests of this program, and of apps in their own pipelines."""
