// Puts swagger-ui's reference in the place of the plain page, which stays where scripts do not run or do not arrive.

const root = document.documentElement;
// At once, so that the plain page does not show for a moment.
root.classList.add("scripted");

const darkScheme = matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => root.classList.toggle("dark-mode", darkScheme.matches);
darkScheme.addEventListener("change", followScheme);
followScheme();

/** The box for the token: browsers neither remember what is typed there nor have its spelling checked elsewhere. */
const forgetToken = ({ React }) => ({
  wrapComponents: {
    Input: (Input) => (props) =>
      React.createElement(
        Input,
        props["aria-label"] === "auth-bearer-value"
          ? { ...props, autoComplete: "off", spellCheck: false }
          : props,
      ),
  },
});

const operationLast = (one, other) => Number(one === "Operation") - Number(other === "Operation");

document.addEventListener("DOMContentLoaded", () => {
  const { SwaggerUIBundle } = window;
  if (SwaggerUIBundle === undefined) {
    root.classList.remove("scripted");
    return;
  }
  SwaggerUIBundle({
    url: "/openapi.json",
    domNode: document.querySelector("#reference"),
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    plugins: [forgetToken],
    tagsSorter: operationLast,
    // The token lives in this page's memory, and goes with it.
    persistAuthorization: false,
    // Otherwise it sends the document's address to a service of swagger.io.
    validatorUrl: null,
  });
});
