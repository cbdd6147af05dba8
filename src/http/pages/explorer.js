"use strict";

const AUTHORIZATION = JSON.stringify({ Authorization: "Bearer <accessToken>" }, null, 2);

const SESSION = `session {
      accessToken
      accessTokenExpiresAt
      refreshToken
      user {
        id
        email
        name
      }
    }`;

const ERRORS = `errors {
      code
      message
      field
      ... on InvalidCodeError {
        attemptsRemaining
      }
      ... on RateLimitedError {
        retryAfterSeconds
      }
    }`;

function mutation(operation, field, input, result, variables) {
  return {
    query: `mutation ${operation}($input: ${input}!) {
  ${field}(input: $input) {
    ${result}
    ${ERRORS}
  }
}
`,
    variables: JSON.stringify({ input: variables }, null, 2),
  };
}

const CHALLENGE = `challenge {
      email
      codeLength
      expiresAt
    }`;

const TABS = [
  {
    query: `# The tabs above are a tour: sign up with a
# code, sign in, see your account. Codes that
# are not really mailed are shown
# at /dev/mailbox.
query ServerInfo {
  serverInfo {
    appName
    version
    codeLength
    codeType
    codeExpirationMinutes
    supportEmail
  }
}
`,
  },
  mutation("RequestSignupCode", "requestSignupCode", "RequestSignupCodeInput", CHALLENGE, {
    email: "ada@example.com",
    name: "Ada Lovelace",
  }),
  mutation("VerifySignupCode", "verifySignupCode", "VerifySignupCodeInput", SESSION, {
    email: "ada@example.com",
    code: "123456",
  }),
  mutation("RequestLoginCode", "requestLoginCode", "RequestLoginCodeInput", CHALLENGE, {
    email: "ada@example.com",
  }),
  mutation("VerifyLoginCode", "verifyLoginCode", "VerifyLoginCodeInput", SESSION, {
    email: "ada@example.com",
    code: "123456",
  }),
  {
    query: `# Put an access token into the headers below.
query Me {
  me {
    id
    email
    emailVerified
    name
    firstName
    lastName
    phone
    company
    createdAt
    lastLoginAt
  }
}
`,
    headers: AUTHORIZATION,
  },
  mutation("RefreshSession", "refreshSession", "RefreshSessionInput", SESSION, {
    refreshToken: "<refreshToken>",
  }),
  {
    query: `# Put an access token into the headers below.
mutation Logout {
  logout {
    endedSessionId
    errors {
      code
      message
    }
  }
}
`,
    headers: AUTHORIZATION,
  },
];

// The schema is public: it is requested without headers, so that an expired token does not hide it.
function withPublicSchema(fetcher) {
  return (request, options) => {
    const asksForSchema = request.operationName === "IntrospectionQuery";
    return fetcher(request, asksForSchema ? { ...options, headers: {} } : options);
  };
}

const root = document.getElementById("explorer");
if (window.GraphiQL && window.ReactDOM) {
  ReactDOM.createRoot(root).render(
    React.createElement(GraphiQL, {
      fetcher: withPublicSchema(GraphiQL.createFetcher({ url: "/graphql" })),
      defaultTabs: TABS,
      isHeadersEditorEnabled: true,
      defaultEditorToolsVisibility: true,
    }),
  );
} else {
  root.firstElementChild.textContent =
    "GraphiQL could not be loaded. Run scripts/graphiql to install its files, " +
    "restart the server and reload this page.";
}
