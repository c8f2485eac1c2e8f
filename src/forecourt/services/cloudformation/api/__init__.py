"""One method per operation of CloudFormation."""
