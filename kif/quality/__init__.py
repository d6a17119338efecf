"""Quality control: what came out is compared with what was prepared."""
