"""The exchange: tenants, extensions, and where a dialled number leads."""
