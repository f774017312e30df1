import java.io.File;
import java.util.Set;
import java.util.TreeSet;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;

/** Says of each file, in columns: its name, the flavour, whether it keeps to it, checks made, and the rules broken. */
public class Validate {
    public static void main(String[] given) throws Exception {
        VeraGreenfieldFoundryProvider.initialise();
        for (int at = 1; at < given.length; at++) {
            for (String name : given[0].split(",")) {
                validate(new File(given[at]), PDFAFlavour.fromString(name));
            }
        }
    }

    private static void validate(File file, PDFAFlavour flavour) throws Exception {
        try (PDFAParser parser = Foundries.defaultInstance().createParser(file, flavour);
                PDFAValidator validator = Foundries.defaultInstance().createValidator(flavour, false)) {
            ValidationResult found = validator.validate(parser);
            Set<String> broken = new TreeSet<>();
            for (TestAssertion one : found.getTestAssertions()) {
                broken.add(one.getRuleId().getClause() + ": " + one.getMessage().replaceAll("\\s+", " "));
            }
            String verdict = found.isCompliant() ? "ok" : "broken";
            System.out.println(String.join("\t", file.getName(), flavour.getId(), verdict,
                    Integer.toString(found.getTotalAssertions()), String.join("; ", broken)));
        }
    }
}
