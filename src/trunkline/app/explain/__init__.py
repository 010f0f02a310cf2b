"""Why a call or a REGISTER goes as it does: what was remembered, and dry runs of what is described."""
