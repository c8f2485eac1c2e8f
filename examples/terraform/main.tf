# Pets behind an API, users who may add some, and a state machine that adds one: Terraform against Forecourt.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 5.100" }
  }
}

variable "forecourt" {
  type    = string
  default = "http://localhost:4566"
}

# Forecourt answers for every service. Remove all but `region` and the same configuration goes to AWS.
provider "aws" {
  region            = "us-east-1"
  access_key        = "test"
  secret_key        = "test"
  s3_use_path_style = true

  endpoints {
    apigateway = var.forecourt
    cognitoidp = var.forecourt
    dynamodb   = var.forecourt
    iam        = var.forecourt
    lambda     = var.forecourt
    sfn        = var.forecourt
    sts        = var.forecourt
  }
}

# -- pets -------------------------------------------------------------------------------------------------------------

resource "aws_dynamodb_table" "pets" {
  name         = "pets"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"

  attribute {
    name = "id"
    type = "S"
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = toset(["lambda", "states"])

  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "function" {
  name               = "pets-function"
  assume_role_policy = data.aws_iam_policy_document.trust["lambda"].json
}

resource "aws_iam_role_policy" "function" {
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["dynamodb:PutItem", "dynamodb:Scan"], Resource = aws_dynamodb_table.pets.arn }]
  })
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.function.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_lambda_function" "pets" {
  function_name    = "pets"
  role             = aws_iam_role.function.arn
  runtime          = "python3.12"
  handler          = "pets.handler"
  filename         = "${path.module}/pets.zip"
  source_code_hash = filebase64sha256("${path.module}/pets.zip")

  environment {
    variables = { TABLE = aws_dynamodb_table.pets.name }
  }
}

# -- users ------------------------------------------------------------------------------------------------------------

resource "aws_cognito_user_pool" "keepers" {
  name                     = "keepers"
  username_attributes      = ["email"]
  auto_verified_attributes = ["email"]
}

resource "aws_cognito_user_pool_client" "app" {
  name                = "app"
  user_pool_id        = aws_cognito_user_pool.keepers.id
  explicit_auth_flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
}

resource "aws_cognito_user" "ann" {
  user_pool_id   = aws_cognito_user_pool.keepers.id
  username       = "ann@example.com"
  password       = "Fluffy-2-Dogs"
  message_action = "SUPPRESS"
  attributes     = { email = "ann@example.com", email_verified = "true" }
}

# -- the API: anybody may look, keepers may add -----------------------------------------------------------------------

resource "aws_api_gateway_rest_api" "pets" {
  name = "pets"
}

resource "aws_api_gateway_resource" "pets" {
  rest_api_id = aws_api_gateway_rest_api.pets.id
  parent_id   = aws_api_gateway_rest_api.pets.root_resource_id
  path_part   = "pets"
}

resource "aws_api_gateway_authorizer" "keepers" {
  name          = "keepers"
  rest_api_id   = aws_api_gateway_rest_api.pets.id
  type          = "COGNITO_USER_POOLS"
  provider_arns = [aws_cognito_user_pool.keepers.arn]
}

resource "aws_api_gateway_method" "pets" {
  for_each = { GET = "NONE", POST = "COGNITO_USER_POOLS" }

  rest_api_id   = aws_api_gateway_rest_api.pets.id
  resource_id   = aws_api_gateway_resource.pets.id
  http_method   = each.key
  authorization = each.value
  authorizer_id = each.value == "NONE" ? null : aws_api_gateway_authorizer.keepers.id
}

resource "aws_api_gateway_integration" "pets" {
  for_each = aws_api_gateway_method.pets

  rest_api_id             = aws_api_gateway_rest_api.pets.id
  resource_id             = aws_api_gateway_resource.pets.id
  http_method             = each.value.http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = aws_lambda_function.pets.invoke_arn
}

resource "aws_lambda_permission" "api" {
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.pets.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.pets.execution_arn}/*/*"
}

resource "aws_api_gateway_deployment" "pets" {
  rest_api_id = aws_api_gateway_rest_api.pets.id
  triggers    = { configuration = filesha1("${path.module}/main.tf") }
  depends_on  = [aws_api_gateway_integration.pets]

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "dev" {
  rest_api_id   = aws_api_gateway_rest_api.pets.id
  deployment_id = aws_api_gateway_deployment.pets.id
  stage_name    = "dev"
}

# -- a state machine that takes a pet in ------------------------------------------------------------------------------

resource "aws_iam_role" "machine" {
  name               = "take-in-machine"
  assume_role_policy = data.aws_iam_policy_document.trust["states"].json
}

resource "aws_iam_role_policy" "machine" {
  role = aws_iam_role.machine.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "dynamodb:PutItem", Resource = aws_dynamodb_table.pets.arn }]
  })
}

resource "aws_sfn_state_machine" "take_in" {
  name     = "take-in"
  role_arn = aws_iam_role.machine.arn
  definition = jsonencode({
    QueryLanguage = "JSONata"
    StartAt       = "Keep"
    States = {
      Keep = {
        Type     = "Task"
        Resource = "arn:aws:states:::dynamodb:putItem"
        Arguments = {
          TableName = aws_dynamodb_table.pets.name
          Item      = { id = { S = "{% $uuid() %}" }, name = { S = "{% $states.input.name %}" } }
        }
        End = true
      }
    }
  })
}

output "pets_url" {
  value = "${var.forecourt}/_aws/execute-api/${aws_api_gateway_rest_api.pets.id}/${aws_api_gateway_stage.dev.stage_name}/pets"
}

output "client_id" {
  value = aws_cognito_user_pool_client.app.id
}

output "state_machine" {
  value = aws_sfn_state_machine.take_in.arn
}
